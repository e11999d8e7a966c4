"""Is an endpoint in a mesh's data plane, as observed? Intent (labels that ask for injection) is not looked at.

Observed state beats intent (encryption.md 1a, 2): a proxy container in the running pod, or the annotation that Istio's
node agent sets once a pod's traffic is redirected to ztunnel.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from auditor.inventory.endpoints import Endpoint
from auditor.model.objects import JsonObject, KubeObject, mappings_at, text_at
from auditor.model.verdict import Cause, Tri, any_of

ISTIO_PROXY = "istio-proxy"
LINKERD_PROXY = "linkerd-proxy"
AMBIENT_REDIRECTION = "ambient.istio.io/redirection"
GATEWAY_TEMPLATES = "inject.istio.io/templates"

DATA_PLANE_REASONS: dict[str, str] = {
    "data-plane.proxy-container": "the container {container} runs in its pods",
    "data-plane.no-proxy-container": "no container {container} runs in its pods",
    "data-plane.redirected": "its pods carry the annotation {annotation}: enabled",
    "data-plane.not-redirected": "its pods don't carry the annotation {annotation}: enabled",
    "data-plane.host-network": "it uses the node's network, which the mesh does not capture",
    "indeterminate.data-plane.not-observed": (
        "no running pod of it was collected, so whether a proxy is added on admission cannot be seen"
    ),
    "indeterminate.data-plane.pods-differ": "some of its pods are in the data plane and others are not",
}
"""The closed list of causes, with the English sentence of each."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Whether something was seen, and why that is said. Evidence: the endpoint's own."""

    present: Tri
    cause: Cause


def observe_istio_sidecar(endpoint: Endpoint) -> Observation:
    """Whether the pods run Istio's sidecar, ordinary or native (gateway pods run the same proxy)."""
    return _observe_container(endpoint, ISTIO_PROXY)


def observe_linkerd_proxy(endpoint: Endpoint) -> Observation:
    """Whether the pods run Linkerd's proxy, ordinary or native."""
    return _observe_container(endpoint, LINKERD_PROXY)


def observe_istio_ambient(endpoint: Endpoint) -> Observation:
    """Whether ztunnel has the pods' traffic. `pending` means that it doesn't have it yet."""
    named = (("annotation", AMBIENT_REDIRECTION),)
    if endpoint.host_network:
        return Observation(Tri.NO, Cause("data-plane.host-network"))
    return _observe(
        endpoint,
        lambda pod: pod.annotations.get(AMBIENT_REDIRECTION) == "enabled",
        Cause("data-plane.redirected", named),
        Cause("data-plane.not-redirected", named),
    )


def observe_istio(endpoint: Endpoint) -> Observation:
    """Whether Istio's data plane handles the pods, with a sidecar or through ztunnel; a sidecar is named first."""
    sidecar, ambient = observe_istio_sidecar(endpoint), observe_istio_ambient(endpoint)
    present = any_of((sidecar.present, ambient.present))
    return next((o for o in (sidecar, ambient) if o.present is present), sidecar)


def is_istio_gateway(endpoint: Endpoint) -> bool:
    """Whether the proxy is a gateway that serves others, not a sidecar beside an application."""
    templates = endpoint.annotations.get(GATEWAY_TEMPLATES, "")
    others = [c for c in mappings_at(endpoint.spec, "containers") if text_at(c, "name") != ISTIO_PROXY]
    return "gateway" in templates.split(",") or (_has_container(endpoint.spec, ISTIO_PROXY) and not others)


def is_observed(pod: KubeObject) -> bool:
    """Whether the object is a pod of a running cluster, not a manifest: the API server sets a uid, the node a status."""
    return bool(pod.metadata.get("uid")) or bool(pod.status)


def _observe_container(endpoint: Endpoint, container: str) -> Observation:
    named = (("container", container),)
    present = Cause("data-plane.proxy-container", named)
    if not endpoint.live and _has_container(endpoint.spec, container):
        return Observation(Tri.YES, present)
    absent = Cause("data-plane.no-proxy-container", named)
    found = _observe(endpoint, lambda pod: _has_container(pod.spec, container), present, absent)
    if found.present is Tri.UNKNOWN and endpoint.host_network:
        return Observation(Tri.NO, Cause("data-plane.host-network"))
    return found


def _observe(
    endpoint: Endpoint, seen: Callable[[KubeObject], bool], present: Cause, absent: Cause
) -> Observation:
    answers = {_answer(pod, seen) for pod in endpoint.pods} or {Tri.UNKNOWN}
    if answers == {Tri.YES}:
        return Observation(Tri.YES, present)
    if answers == {Tri.NO}:
        return Observation(Tri.NO, absent)
    differ = answers == {Tri.YES, Tri.NO}
    code = "indeterminate.data-plane." + ("pods-differ" if differ else "not-observed")
    return Observation(Tri.UNKNOWN, Cause(code))


def _answer(pod: KubeObject, seen: Callable[[KubeObject], bool]) -> Tri:
    if seen(pod):
        return Tri.YES
    return Tri.NO if is_observed(pod) else Tri.UNKNOWN


def _has_container(spec: JsonObject, name: str) -> bool:
    listed: Iterable[JsonObject] = mappings_at(spec, "containers") + mappings_at(spec, "initContainers")
    return any(text_at(container, "name") == name for container in listed)
