"""Several policy systems in one cluster, as declared and as enforced, against the slow evaluator of the whole data path.

Which agent enforces which layer is written down here once more, from the agents' own documentation.
"""

from functools import partial
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.network.connectivity import Basis
from tests.network.building import Raw, agent, connect, namespace, node
from tests.network.generated import PORTS, SPACES, admin_policies, network_policies
from tests.network.proof import compare, examples, points
from tests.network.reference import Party
from tests.network.reference_datapath import (
    ADMIN,
    BASELINE,
    CALICO,
    CILIUM,
    CLUSTER,
    DOUBTED,
    ISTIO,
    LINKERD,
    NETWORKPOLICY,
    OFF,
    ON,
    UNKNOWN,
    Datapath,
    Ends,
)
from tests.network.test_calico_against_reference import calico_objects
from tests.network.test_cilium_against_reference import cilium_objects
from tests.network.test_mesh_authorization_against_reference import (
    authorization_policies,
    by_address,
    istio_pods,
    istio_services,
    linkerd_default,
    linkerd_pods,
    linkerd_policies,
)
from tests.network.test_mesh_authorization_against_reference import status as mesh_status

_POINTS = points((*PORTS, 79), "TCP", "UDP")
_NODES = ("node-1", "node-2")


class Setup(NamedTuple):
    """A network agent: its objects, the layers it enforces, those of which nobody knows, and the node it is not ready on."""

    objects: tuple[Raw, ...]
    on: frozenset[str]
    unknown: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()
    without: str | None = None


def _agent(name: str, container: str, image: str = "", without: str | None = None) -> tuple[Raw, ...]:
    return tuple(agent(name, container, n, image=image, ready=n != without) for n in _NODES)


def _cilium(version: str, **settings: str) -> tuple[Raw, ...]:
    data = {key.replace("_", "-"): value for key, value in settings.items()}
    metadata = {"name": "cilium-config", "namespace": "kube-system"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return (*_agent("cilium", "cilium-agent", f"quay.io/cilium/cilium:{version}"), config)


_ADMIN = frozenset({ADMIN, BASELINE, CLUSTER})
_OF_CALICO = frozenset({NETWORKPOLICY, CALICO})
_OF_CILIUM = frozenset({NETWORKPOLICY, CILIUM})
CALICO_AGENTS = {
    "calico 3.28 has neither kind": Setup(
        _agent("calico-node", "calico-node", "calico/node:v3.28.1"), _OF_CALICO
    ),
    "calico 3.29 has ANP": Setup(
        _agent("calico-node", "calico-node", "calico/node:v3.29.0"), _OF_CALICO | {ADMIN}
    ),
    "calico 3.31 has ANP and BANP": Setup(
        _agent("calico-node", "calico-node", "calico/node:v3.31.2"), _OF_CALICO | {ADMIN, BASELINE}
    ),
    "calico 3.32 has CNP": Setup(
        _agent("calico-node", "calico-node", "calico/node:v3.32.0"), _OF_CALICO | {CLUSTER}
    ),
    "calico without a version": Setup(
        _agent("calico-node", "calico-node", "calico/node@sha256:0"), _OF_CALICO, doubted=_ADMIN
    ),
    "calico not ready on a node": Setup(
        _agent("calico-node", "calico-node", "calico/node:v3.32.0", "node-2"),
        _OF_CALICO | {CLUSTER},
        without="node-2",
    ),
    "kube-router": Setup(_agent("kube-router", "kube-router"), frozenset({NETWORKPOLICY})),
    "antrea": Setup(_agent("antrea-agent", "antrea-agent"), frozenset({NETWORKPOLICY}), doubted=_ADMIN),
    "an agent whose mode decides": Setup(
        _agent("sdn", "sdn"), frozenset(), unknown=frozenset({NETWORKPOLICY}), doubted=_ADMIN
    ),
    "flannel": Setup(_agent("kube-flannel", "kube-flannel"), frozenset()),
}
CILIUM_AGENTS = {
    "cilium 1.19": Setup(_cilium("v1.19.1"), _OF_CILIUM),
    "cilium 1.20 without the flag": Setup(_cilium("v1.20.0"), _OF_CILIUM),
    "cilium 1.20 with it": Setup(
        _cilium("v1.20.0", enable_k8s_cluster_network_policy="true"), _OF_CILIUM | {CLUSTER}
    ),
    "cilium that ignores NetworkPolicy": Setup(
        _cilium("v1.19.1", enable_k8s_networkpolicy="false"), frozenset({CILIUM})
    ),
    "cilium that always isolates": Setup(_cilium("v1.19.1", enable_policy="always"), _OF_CILIUM),
}
SETUPS = CALICO_AGENTS | CILIUM_AGENTS


def _status(setup: Setup, raws: dict[str, Raw], layer: str, pod: Party) -> str:
    if layer in (ISTIO, LINKERD):
        return mesh_status(raws, layer, pod)
    if layer in setup.on:
        return OFF if pod.node == setup.without else ON
    return UNKNOWN if layer in setup.unknown else DOUBTED if layer in setup.doubted else OFF


@st.composite
def mixed_clusters(draw: st.DrawFn, name: str) -> list[Raw]:
    """A cluster with a setup: policies of its own system, Kubernetes', cluster-wide ones, and those of a mesh."""
    cilium = name in CILIUM_AGENTS
    labels = st.sampled_from(({}, {"k": "x"}, {"k": "x"}, {"k": "y"}, {"l": "x"}, {"k": "x", "l": "y"}))
    objects = [namespace(space, **draw(labels)) for space in SPACES]
    objects += [node(n, f"192.0.2.{i}") for i, n in enumerate(_NODES, 1)]
    objects += SETUPS[name].objects
    mesh = draw(st.sampled_from((None, None, "istio", "linkerd")))
    make = linkerd_pods if mesh == "linkerd" else istio_pods
    objects += [draw(make(number)) for number in range(1, draw(st.sampled_from((2, 3, 4))) + 1)]
    objects += [draw(network_policies(number)) for number in range(draw(st.sampled_from((0, 1, 2))))]
    kinds = (
        ("ClusterNetworkPolicy",)
        if draw(st.booleans())
        else ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy")
    )
    for kind in kinds:
        most = 1 if kind.startswith("Baseline") else 2
        objects += [
            draw(admin_policies(kind, number)) for number in range(draw(st.sampled_from((0, most, most))))
        ]
    objects += draw(cilium_objects() if cilium else calico_objects(own_tiers_only=True))
    if mesh == "istio":
        objects += [draw(authorization_policies(number)) for number in range(draw(st.sampled_from((1, 2))))]
        objects += draw(istio_services())
    if mesh == "linkerd":
        objects += draw(linkerd_policies())
    return objects


def _compare(name: str, objects: list[Raw], basis: Basis) -> None:
    setup, raws = SETUPS[name], by_address(objects)
    config = next((o["data"] for o in setup.objects if o["kind"] == "ConfigMap"), None)
    path = Datapath(
        tuple(objects),
        partial(_status, setup, raws),
        raws,
        cilium=config is not None,
        mode=(config or {}).get("enable-policy", "default"),
        blocks_outside=config is not None and NETWORKPOLICY in setup.on,
        linkerd_default=linkerd_default(objects),
        enforced=basis is Basis.ENFORCED,
    )
    compare(
        connect(objects), lambda _, one, __, other, *at: path.answer(Ends(one, other, *at)), _POINTS, basis
    )


@pytest.mark.parametrize("name", SETUPS)
def test_mixtures_as_enforced(name: str) -> None:
    @given(mixed_clusters(name))
    @examples(6, share=4)
    def check(objects: list[Raw]) -> None:
        _compare(name, objects, Basis.ENFORCED)

    check()


@pytest.mark.parametrize("name", ["kube-router", "cilium 1.19"])
def test_mixtures_as_declared(name: str) -> None:
    @given(mixed_clusters(name))
    @examples(12, share=2)
    def check(objects: list[Raw]) -> None:
        _compare(name, objects, Basis.DECLARED)

    check()
