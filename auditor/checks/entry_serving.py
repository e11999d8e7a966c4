"""Which endpoints serve an entry point: the pods of its controller, or those that an Istio Gateway's selector chooses."""

from collections.abc import Mapping, Sequence

from auditor.checks.context import Facts
from auditor.encryption.entry.layer4 import controller_of
from auditor.encryption.entry_points import EntryPoint
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import KindKey
from auditor.model.objects import mapping_at, text_at

_ISTIO_GATEWAY = KindKey("networking.istio.io", "Gateway")
_LISTENER_SET = KindKey("gateway.networking.k8s.io", "ListenerSet")
_GATEWAY = "Gateway.gateway.networking.k8s.io"
_ENVOY = "gateway.envoyproxy.io/owning-gateway-"
_GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"


OUTSIDE = ("aws-alb", "gce", "azure-agic")
"""Controllers that set up load balancers outside the cluster: their own pods carry none of the traffic."""


def _belongs_to(endpoint: Endpoint, namespace: str, name: str) -> bool:
    labels = endpoint.labels
    own = endpoint.namespace == namespace and labels.get(_GATEWAY_NAME) == name
    return own or (labels.get(f"{_ENVOY}namespace"), labels.get(f"{_ENVOY}name")) == (namespace, name)


def controllers(facts: Facts) -> Mapping[str, Sequence[Endpoint]]:
    """The endpoints of each controller by its name."""
    found: dict[str, list[Endpoint]] = {}
    for endpoint in facts.endpoints:
        if (name := controller_of(endpoint)) is not None:
            found.setdefault(name, []).append(endpoint)
    return found


def serving(
    facts: Facts, entry: EntryPoint, by_controller: Mapping[str, Sequence[Endpoint]]
) -> list[Endpoint]:
    """The endpoints that serve an entry point; none where they aren't known.

    A Gateway of the Gateway API has pods of its own, named by labels (GEP-1762; Envoy Gateway has labels of its own).
    """
    namespace, _, rest = entry.object.partition("/")
    kind, _, name = rest.partition("/")
    if kind == str(_LISTENER_SET):
        extra = facts.cluster.get(_LISTENER_SET, namespace, name)
        parent = mapping_at(extra.spec, "parentRef") if extra else {}
        kind, name = _GATEWAY, text_at(parent, "name") or ""
        namespace = text_at(parent, "namespace") or namespace
    if kind == _GATEWAY:
        found = [e for c in ("gateway-api", "istio") for e in by_controller.get(c, ())]
        return [e for e in found if _belongs_to(e, namespace, name)]
    if entry.controller in OUTSIDE:
        return []
    candidates = list(by_controller.get(entry.controller or "", []))
    gateway = facts.cluster.get(_ISTIO_GATEWAY, namespace, name)
    if kind != str(_ISTIO_GATEWAY) or gateway is None:
        return candidates
    wanted = mapping_at(gateway.spec, "selector")
    return [e for e in candidates if all(e.labels.get(key) == value for key, value in wanted.items())]
