"""Ambient waypoints: which Gateway, if any, ztunnel sends traffic through before it reaches a workload or a host.

The label `istio.io/use-waypoint` on the pod, the Service or the ServiceEntry outranks the namespace's; `none` opts out.
The Gateway has the class `istio-waypoint` and takes what `istio.io/waypoint-for` says (pilot/pkg/serviceregistry/ambient,
waypoints.go). A waypoint that isn't there is left out: traffic then goes to the workload itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.encryption.injection import KNOWN
from auditor.encryption.verdicts import Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.selectors import SelectorError, parse_selector
from auditor.model.kinds import kind_key
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef, Tri

GATEWAY = kind_key("gateway.networking.k8s.io", "Gateway")
USE = "istio.io/use-waypoint"
USE_NAMESPACE = "istio.io/use-waypoint-namespace"
FOR = "istio.io/waypoint-for"
CLASS = "istio-waypoint"


@dataclass(frozen=True, slots=True)
class Waypoint:
    """A waypoint that labels ask for. `there`: YES where its Gateway takes such traffic, UNKNOWN where it may be missing
    from the evidence, NO where it isn't there or doesn't take it."""

    namespace: str
    name: str
    there: Tri
    reasons: Reasons

    @property
    def id(self) -> str:
        """The id of its Gateway."""
        return f"{self.namespace}/Gateway.gateway.networking.k8s.io/{self.name}"


class Waypoints:
    """The waypoints of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def of_service(self, labels: Mapping[str, str], namespace: str) -> Waypoint | None:
        """The waypoint for traffic addressed to a Service or a ServiceEntry."""
        return self._asked(labels, namespace, "service")

    def of_workload(self, labels: Mapping[str, str], namespace: str) -> Waypoint | None:
        """The waypoint for traffic addressed to a pod."""
        return self._asked(labels, namespace, "workload")

    def _asked(self, labels: Mapping[str, str], namespace: str, traffic: str) -> Waypoint | None:
        chosen = labels if labels.get(USE) else self._cluster.namespace_labels(namespace)
        name = chosen.get(USE, "")
        if not name or name == "none":
            return None
        place = chosen.get(USE_NAMESPACE) or namespace
        gateway = self._cluster.get(GATEWAY, place, name)
        if gateway is None:
            known = self._cluster.completeness(GATEWAY, place).state in KNOWN
            there = Tri.NO if known else Tri.UNKNOWN
            code = "istio.waypoint-missing" if known else "indeterminate.istio.waypoint-unknown"
            named = (("waypoint", f"{place}/{name}"),)
            return Waypoint(place, name, there, Reasons((Cause(code, named),)))
        return self._judged(gateway, namespace, traffic)

    def _judged(self, gateway: KubeObject, namespace: str, traffic: str) -> Waypoint:
        named = (("waypoint", str(gateway.id)),)
        rule = RuleRef(str(gateway.id), "spec", gateway.evidence_id)
        there = Tri.YES if text_at(gateway.spec, "gatewayClassName") == CLASS else Tri.UNKNOWN
        if gateway.labels.get(FOR, "service") not in (traffic, "all") or (
            there is Tri.YES and not self._admits(gateway, namespace)
        ):
            there = Tri.NO
        code = {
            Tri.YES: "istio.waypoint",
            Tri.NO: "istio.waypoint-not-for-it",
            Tri.UNKNOWN: "indeterminate.istio.waypoint-unknown",
        }[there]
        reasons = Reasons((Cause(code, named),), (rule,), (gateway.evidence_id,))
        return Waypoint(gateway.namespace, gateway.name, there, reasons)

    def _admits(self, gateway: KubeObject, namespace: str) -> bool:
        """Whether one of its listeners takes objects of a namespace; only its own where nothing is said."""
        if namespace == gateway.namespace:
            return True
        listeners = mappings_at(gateway.spec, "listeners")
        return any(
            self._allows(mapping_at(entry, "allowedRoutes", "namespaces"), namespace) for entry in listeners
        )

    def _allows(self, namespaces: JsonObject, namespace: str) -> bool:
        where = text_at(namespaces, "from") or "Same"
        if where != "Selector":
            return where == "All"
        try:
            selector = parse_selector(namespaces.get("selector"))
        except SelectorError:
            return False
        return selector.matches(self._cluster.namespace_labels(namespace))
