"""Sidecar.ingress TLS and EnvoyFilters: what can change the proxy's listeners besides PeerAuthentication."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditor.encryption.label_index import LabelIndex
from auditor.encryption.precedence import possible_winners
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import KindKey, kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import RuleRef

SIDECAR = kind_key("networking.istio.io", "Sidecar")
ENVOY_FILTER = kind_key("networking.istio.io", "EnvoyFilter")
_LISTENER_OBJECTS = frozenset({"LISTENER", "FILTER_CHAIN", "LISTENER_FILTER"})
_HARMLESS_OBJECTS = frozenset(
    {
        *("CLUSTER", "HTTP_FILTER", "NETWORK_FILTER", "ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"),
        *("EXTENSION_CONFIG", "BOOTSTRAP"),
    }
)
_TLS_WORDS = ("transportsocket", "filterchain", "tlscontext", "downstreamtls", "upstreamtls")
_VIRTUAL_INBOUND = 15006
_MAX_DEPTH = 60


class SelectedObjects:
    """Objects of a kind with `workloadSelector.labels`, by namespace; the root namespace's reach everywhere."""

    def __init__(self, cluster: Cluster, kind: KindKey) -> None:
        grouped: dict[str, list[KubeObject]] = {}
        for obj in cluster.all(kind):
            grouped.setdefault(obj.namespace, []).append(obj)
        self._by_namespace = {
            namespace: LabelIndex((selector_of(obj), obj) for obj in objects)
            for namespace, objects in grouped.items()
        }

    def of(self, endpoint: Endpoint, *namespaces: str) -> list[KubeObject]:
        """Those of the namespaces that select the endpoint. A selector that cannot be read selects everything."""
        return [
            obj
            for namespace in dict.fromkeys(namespaces)
            if namespace in self._by_namespace
            for obj in self._by_namespace[namespace].candidates(endpoint.labels)
            if all(endpoint.labels.get(key) == value for key, value in selector_of(obj).items())
        ]


def selector_of(obj: KubeObject) -> dict[str, str]:
    """`spec.workloadSelector.labels`, or `matchLabels` as DestinationRule spells it."""
    selector = mapping_at(obj.body, "spec", "workloadSelector")
    labels = mapping_at(selector, "labels") or mapping_at(selector, "matchLabels")
    return {str(key): str(value) for key, value in labels.items()}


@dataclass(frozen=True, slots=True)
class IngressTls:
    """`Sidecar.spec.ingress[].tls` for one port: its mode as written, and where. `certain` false: rivals differ."""

    mode: str | None
    rule: RuleRef
    certain: bool


def ingress_tls(sidecars: SelectedObjects, endpoint: Endpoint, root: str, port: int) -> IngressTls | None:
    """The TLS settings that a Sidecar gives to a listener of the port, None where it gives none."""
    found = [_listener_tls(obj, port) for obj in governing_sidecars(sidecars, endpoint, root)]
    present = [tls for tls in found if tls is not None]
    if not present:
        return None
    certain = len(present) == len(found) and len({tls.mode for tls in present}) == 1
    return IngressTls(present[0].mode, present[0].rule, certain)


def governing_sidecars(sidecars: SelectedObjects, endpoint: Endpoint, root: str) -> tuple[KubeObject, ...]:
    """The Sidecar that governs a workload, several where ages aren't recorded.

    One that selects the workload beats one without a selector, which beats the root namespace's.
    """
    own = sidecars.of(endpoint, endpoint.namespace)
    groups = (
        [obj for obj in own if selector_of(obj)],
        [obj for obj in own if not selector_of(obj)],
        [obj for obj in sidecars.of(endpoint, root) if not selector_of(obj)],
    )
    return possible_winners(next((group for group in groups if group), []), lambda obj: obj)


def _listener_tls(obj: KubeObject, port: int) -> IngressTls | None:
    for index, listener in enumerate(mappings_at(obj.body, "spec", "ingress")):
        if mapping_at(listener, "port").get("number") == port and listener.get("tls") is not None:
            rule = RuleRef(str(obj.id), f"spec.ingress[{index}].tls", obj.evidence_id)
            return IngressTls(text_at(listener, "tls", "mode"), rule, certain=True)
    return None


def filters_touching_tls(filters: list[KubeObject], port: int, *, inbound: bool) -> Iterator[RuleRef]:
    """The patches of EnvoyFilters that may change TLS or filter chains of the inbound port, or of outbound clusters."""
    for obj in filters:
        if obj.spec.get("targetRefs"):
            continue
        spec, patches = obj.body.get("spec"), obj.spec.get("configPatches")
        if not isinstance(spec or {}, Mapping) or not isinstance(patches or [], list):
            yield RuleRef(str(obj.id), "spec", obj.evidence_id)
        for index, patch in enumerate(list_at(obj.body, "spec", "configPatches")):
            if _touches(mapping_at(patch), port, inbound):
                yield RuleRef(str(obj.id), f"spec.configPatches[{index}]", obj.evidence_id)


def gateway_patches(filters: list[KubeObject]) -> Iterator[RuleRef]:
    """The patches of EnvoyFilters that may change TLS of a gateway's listeners or of its clusters."""
    for obj in filters:
        for index, patch in enumerate(mappings_at(obj.body, "spec", "configPatches")):
            if (text_at(patch, "match", "context") or "ANY") not in ("ANY", "GATEWAY"):
                continue
            value = mapping_at(patch, "patch").get("value")
            if text_at(patch, "applyTo") in _LISTENER_OBJECTS or _names_tls(value, 0):
                yield RuleRef(str(obj.id), f"spec.configPatches[{index}]", obj.evidence_id)


def _touches(patch: JsonObject, port: int, inbound: bool) -> bool:
    context = text_at(patch, "match", "context") or "ANY"
    if context not in ("ANY", "SIDECAR_INBOUND" if inbound else "SIDECAR_OUTBOUND"):
        return context not in ("SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT")
    applies_to = text_at(patch, "applyTo")
    if inbound and not _about_port(mapping_at(patch, "match", "listener"), port):
        return False
    if applies_to in _HARMLESS_OBJECTS:
        if applies_to == "CLUSTER" and inbound:
            return False
        return _names_tls(mapping_at(patch, "patch").get("value"), 0)
    return applies_to not in _LISTENER_OBJECTS or inbound


def _about_port(listener: JsonObject, port: int) -> bool:
    numbers = (listener.get("portNumber"), mapping_at(listener, "filterChain").get("destinationPort"))
    return all(number in (None, 0, port, _VIRTUAL_INBOUND) for number in numbers)


def _names_tls(value: object, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return True
    if isinstance(value, Mapping):
        return any(
            any(word in str(name).replace("_", "").lower() for word in _TLS_WORDS)
            or _names_tls(inner, depth + 1)
            for name, inner in value.items()
        )
    if isinstance(value, list):
        return any(_names_tls(inner, depth + 1) for inner in value)
    return isinstance(value, str) and any(word in value.replace("_", "").lower() for word in _TLS_WORDS)
