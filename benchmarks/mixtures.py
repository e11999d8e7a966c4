"""Clusters in which every policy system is at work at once: `python -m benchmarks.mixtures [pods ...]`.

Two data paths: Calico's and Cilium's. Each has its own policies beside NetworkPolicies and ClusterNetworkPolicies; a third
of the namespaces is in an Istio mesh, a third in a Linkerd mesh, with authorization in both.
"""

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks.connectivity import PORTS, asked_sizes, generate, measure_all

_CALICO, _CILIUM = "calico", "cilium"
_CONFIG = {"enable-policy": "default", "enable-k8s-cluster-network-policy": "true"}
_AGENTS = {
    _CALICO: ("calico-node", "calico/node:v3.32.0"),
    _CILIUM: ("cilium-agent", "cilium/cilium:v1.20.0"),
}
_PODS_PER_OWN_POLICY = 20
_NAMESPACES_PER_MESH_POLICY = 2


def generate_mixture(pods: int, path: str, seed: int = 11) -> Iterator[dict[str, Any]]:
    """Raw objects of a cluster whose network is `calico` or `cilium`, with two meshes."""
    chance = random.Random(seed)
    spaces = []
    for raw in generate(pods, mixed=True):
        if raw["kind"] == "Namespace":
            spaces.append(raw["metadata"]["name"])
        yield _agent(raw, path) if raw["metadata"].get("namespace") == "kube-system" else _in_mesh(raw)
    if path == _CILIUM:
        yield _object("v1", "ConfigMap", "cilium-config", "kube-system", data=_CONFIG)
    else:
        for number in range(3):
            yield _object(
                "projectcalico.org/v3",
                "Tier",
                f"tier-{number}",
                spec={"order": number, "defaultAction": "Pass"},
            )
    own = _calico if path == _CALICO else _cilium
    for number in range(pods // _PODS_PER_OWN_POLICY):
        yield own(number, spaces[number % len(spaces)], chance)
    yield _object("v1", "ConfigMap", "istio", "istio-system", data={"mesh": "rootNamespace: istio-system\n"})
    for number, space in enumerate(spaces[::_NAMESPACES_PER_MESH_POLICY]):
        if _mesh(space) == "istio":
            yield _authorization(number, space, chance)
        elif _mesh(space) == "linkerd":
            yield from _server(number, space, chance)


def _object(version: str, kind: str, name: str, space: str = "", **body: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {}, **({"namespace": space} if space else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}


def _agent(raw: dict[str, Any], path: str) -> dict[str, Any]:
    container, image = _AGENTS[path]
    return {**raw, "spec": {**raw["spec"], "containers": [{"name": container, "image": image}]}}


def _mesh(space: str) -> str:
    return ("istio", "linkerd", "")[int(space.rpartition("-")[2]) % 3]


def _in_mesh(raw: dict[str, Any]) -> dict[str, Any]:
    """A pod with the proxy of its namespace's mesh."""
    if raw["kind"] != "Pod":
        return raw
    mesh = _mesh(raw["metadata"]["namespace"])
    proxies = {
        "istio": [{"name": "istio-proxy", "image": "p"}],
        "linkerd": [{"name": "linkerd-proxy", "image": "p"}],
    }
    containers = [*raw["spec"]["containers"], *proxies.get(mesh, [])]
    role = raw["metadata"]["labels"]["role"]
    return {**raw, "spec": {**raw["spec"], "containers": containers, "serviceAccountName": role}}


def _calico(number: int, space: str, chance: random.Random) -> dict[str, Any]:
    tier = chance.choice(("default", "tier-0", "tier-1", "tier-2"))
    rule = {
        "action": chance.choice(("Allow", "Deny", "Pass")),
        "protocol": "TCP",
        "source": {"selector": f"role == 'role-{chance.randrange(7)}'"},
        "destination": {"ports": chance.sample(PORTS, 2)},
    }
    spec: dict[str, Any] = {
        "tier": tier,
        "order": number,
        "selector": f"role in {{'role-{chance.randrange(7)}', 'role-{chance.randrange(7)}'}}",
        "types": ["Ingress"],
        "ingress": [
            rule,
            {"action": "Allow", "source": {"namespaceSelector": f"team == 'team-{number % 20}'"}},
        ],
    }
    if number % 20 == 0:
        spec |= {"namespaceSelector": f"tier == 't{number % 5}'"}
        return _object("projectcalico.org/v3", "GlobalNetworkPolicy", f"global-{number}", spec=spec)
    return _object("projectcalico.org/v3", "NetworkPolicy", f"own-{number}", space, spec=spec)


def _cilium(number: int, space: str, chance: random.Random) -> dict[str, Any]:
    port = {"ports": [{"port": str(chance.choice(PORTS)), "protocol": "TCP"}]}
    peers = [{"matchLabels": {"role": f"role-{chance.randrange(7)}"}}]
    spec: dict[str, Any] = {
        "endpointSelector": {"matchLabels": {"role": f"role-{chance.randrange(7)}"}},
        "ingress": [{"fromEndpoints": peers, "toPorts": [port]}, {"fromEntities": ["kube-apiserver"]}],
    }
    if number % 4 == 0:
        spec["ingressDeny"] = [{"fromEntities": ["world"], "toPorts": [port]}]
    if number % 5 == 0:
        spec["egress"] = [{"toFQDNs": [{"matchName": "example.com"}]}, {"toEntities": ["cluster"]}]
    if number % 20 == 0:
        spec["endpointSelector"] = {"matchLabels": {"io.kubernetes.pod.namespace": space, "version": "v0"}}
        return _object("cilium.io/v2", "CiliumClusterwideNetworkPolicy", f"wide-{number}", spec=spec)
    return _object("cilium.io/v2", "CiliumNetworkPolicy", f"own-{number}", space, spec=spec)


def _authorization(number: int, space: str, chance: random.Random) -> dict[str, Any]:
    principal = f"cluster.local/ns/{space}/sa/role-{chance.randrange(7)}"
    rule = {
        "from": [{"source": {"principals": [principal]}}, {"source": {"namespaces": [f"ns-{number}"]}}],
        "to": [{"operation": {"ports": [str(chance.choice(PORTS))]}}],
    }
    spec = {
        "selector": {"matchLabels": {"role": f"role-{chance.randrange(7)}"}},
        "action": chance.choice(("ALLOW", "ALLOW", "DENY")),
        "rules": [rule],
    }
    return _object("security.istio.io/v1", "AuthorizationPolicy", f"auth-{number}", space, spec=spec)


def _server(number: int, space: str, chance: random.Random) -> Iterator[dict[str, Any]]:
    name = f"server-{number}"
    pods = {"matchLabels": {"role": f"role-{chance.randrange(7)}"}}
    spec = {"podSelector": pods, "port": chance.choice(PORTS)}
    yield _object("policy.linkerd.io/v1beta3", "Server", name, space, spec=spec)
    accounts = [{"name": f"role-{chance.randrange(7)}", "namespace": space}]
    grant = {"server": {"name": name}, "client": {"meshTLS": {"serviceAccounts": accounts}}}
    yield _object("policy.linkerd.io/v1beta1", "ServerAuthorization", name, space, spec=grant)


if __name__ == "__main__":
    for network in (_CALICO, _CILIUM):
        measure_all(asked_sizes(), f", all layers, {network}", partial(generate_mixture, path=network))
