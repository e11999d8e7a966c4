"""Observed membership of a data plane (encryption.md 1a and 2)."""

from typing import Any

import pytest

from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import (
    DATA_PLANE_REASONS,
    Observation,
    is_istio_gateway,
    observe_istio,
    observe_istio_ambient,
    observe_istio_sidecar,
    observe_linkerd_proxy,
)
from auditor.inventory.endpoints import Endpoint, list_endpoints
from auditor.model.evidence import Snapshot
from auditor.model.kinds import normalised_key
from auditor.model.objects import KubeObject, ObjectId
from auditor.model.verdict import Tri

RUNNING = {"phase": "Running", "podIP": "10.0.0.1"}
APP = {"name": "app"}


def endpoint_of(
    kind: str, spec: dict[str, Any], annotations: dict[str, str], status: dict[str, Any]
) -> Endpoint:
    pod = {"metadata": {"annotations": annotations}, "spec": spec}
    body = pod | {"status": status} if kind == "Pod" else {"spec": {"template": pod}}
    key, version = normalised_key("v1" if kind == "Pod" else "apps/v1", kind)
    obj = KubeObject(
        ObjectId(key.group, key.kind, "shop", "web"), version, body, "e1", "x.yaml#1", annotations=annotations
    )
    return list_endpoints(Cluster(Snapshot((obj,))))[0]


def pod(containers: list[Any], init: list[Any] | None = None, **extra: Any) -> Endpoint:
    status = extra.pop("status", RUNNING)
    annotations = extra.pop("annotations", {})
    spec = {"containers": containers, "initContainers": init or [], **extra}
    return endpoint_of("Pod", spec, annotations, status)


def deployment(containers: list[Any]) -> Endpoint:
    return endpoint_of("Deployment", {"containers": containers}, {}, {})


CASES = [
    ("istio: an ordinary sidecar", pod([APP, {"name": "istio-proxy"}]), observe_istio_sidecar, Tri.YES),
    (
        "istio: a native sidecar is an init container",
        pod([APP], [{"name": "istio-proxy", "restartPolicy": "Always"}]),
        observe_istio_sidecar,
        Tri.YES,
    ),
    ("istio: a running pod without a proxy", pod([APP]), observe_istio_sidecar, Tri.NO),
    (
        "istio: a label that asks for injection is intent, not observation",
        pod([APP], annotations={"sidecar.istio.io/inject": "true"}),
        observe_istio_sidecar,
        Tri.NO,
    ),
    ("istio: a manifest was never running", pod([APP], status={}), observe_istio_sidecar, Tri.UNKNOWN),
    ("istio: a template may be injected on admission", deployment([APP]), observe_istio_sidecar, Tri.UNKNOWN),
    (
        "istio: a template injected by hand has it",
        deployment([APP, {"name": "istio-proxy"}]),
        observe_istio_sidecar,
        Tri.YES,
    ),
    (
        "ambient: redirected",
        pod([APP], annotations={"ambient.istio.io/redirection": "enabled"}),
        observe_istio_ambient,
        Tri.YES,
    ),
    (
        "ambient: pending is not protected",
        pod([APP], annotations={"ambient.istio.io/redirection": "pending"}),
        observe_istio_ambient,
        Tri.NO,
    ),
    (
        "ambient: never with the node's network",
        pod([APP], hostNetwork=True, annotations={"ambient.istio.io/redirection": "enabled"}),
        observe_istio_ambient,
        Tri.NO,
    ),
    (
        "istio: either data plane will do",
        pod([APP], annotations={"ambient.istio.io/redirection": "enabled"}),
        observe_istio,
        Tri.YES,
    ),
    ("istio: neither", pod([APP]), observe_istio, Tri.NO),
    ("linkerd: an ordinary proxy", pod([APP, {"name": "linkerd-proxy"}]), observe_linkerd_proxy, Tri.YES),
    ("linkerd: a native proxy", pod([APP], [{"name": "linkerd-proxy"}]), observe_linkerd_proxy, Tri.YES),
    ("linkerd: none", pod([APP, {"name": "istio-proxy"}]), observe_linkerd_proxy, Tri.NO),
]


@pytest.mark.parametrize(("case", "endpoint", "observe", "expected"), CASES, ids=[case[0] for case in CASES])
def test_data_plane_is_what_was_observed(case: str, endpoint: Endpoint, observe: Any, expected: Tri) -> None:
    found: Observation = observe(endpoint)
    assert found.present is expected
    assert found.cause.code in DATA_PLANE_REASONS
    assert found.cause.code.startswith("indeterminate.") == (expected is Tri.UNKNOWN)


def test_a_proxy_alone_in_its_pod_is_a_gateway() -> None:
    assert is_istio_gateway(pod([{"name": "istio-proxy"}]))
    assert not is_istio_gateway(pod([APP, {"name": "istio-proxy"}]))
