"""Is an endpoint in Istio's data plane: seen in its pods, else predicted for its template.

Prediction follows pkg/kube/inject/inject.go (sidecar) and cni/pkg/util (ambient); observation always beats it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from auditor.encryption.injection import KNOWN, Injector, service_paths
from auditor.encryption.istio.injector_config import read_injector_config
from auditor.encryption.verdicts import Basis, Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import Observation, observe_istio_ambient, observe_istio_sidecar
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import POD
from auditor.model.objects import JsonObject, text_at
from auditor.model.verdict import Cause, Tri

INJECT = "sidecar.istio.io/inject"
STATUS = "sidecar.istio.io/status"
DATAPLANE_MODE = "istio.io/dataplane-mode"
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")
_TRUE = ("y", "yes", "true", "on")


@dataclass(frozen=True, slots=True)
class IstioMember:
    """Whether the sidecar and whether ztunnel carries the endpoint's traffic, on which basis, and why."""

    sidecar: Tri
    ambient: Tri
    basis: Basis
    reasons: Reasons


def is_sidecar_injector(hook: JsonObject) -> bool:
    """Whether a webhook is Istio's sidecar injector: by its name, or by the path it calls."""
    name = text_at(hook, "name") or ""
    return name.endswith("sidecar-injector.istio.io") or any(
        path.startswith("/inject") or "/inject/" in path or path.endswith("/inject")
        for path in service_paths(hook)
    )


class IstioDataPlane:
    """Membership of Istio's data plane."""

    def __init__(self, cluster: Cluster, endpoints: Sequence[Endpoint]) -> None:
        self._cluster = cluster
        self._endpoints = endpoints
        self.injector = Injector(cluster, is_sidecar_injector)
        self.config = read_injector_config(cluster)

    def member(self, endpoint: Endpoint) -> IstioMember:
        """Whether the endpoint is in the data plane."""
        sidecar, ambient = observe_istio_sidecar(endpoint), observe_istio_ambient(endpoint)
        if sidecar.present is Tri.YES:
            return IstioMember(Tri.YES, Tri.NO, Basis.OBSERVED, _observed(endpoint, sidecar))
        if sidecar.present is Tri.NO and ambient.present is not Tri.UNKNOWN:
            seen = ambient if ambient.present is Tri.YES else sidecar
            return IstioMember(Tri.NO, ambient.present, Basis.OBSERVED, _observed(endpoint, seen))
        if sidecar.cause.code.endswith("pods-differ") or ambient.cause.code.endswith("pods-differ"):
            reasons = _observed(endpoint, sidecar) + _observed(endpoint, ambient)
            return IstioMember(sidecar.present, ambient.present, Basis.OBSERVED, reasons)
        return self._predict(endpoint)

    def _predict(self, endpoint: Endpoint) -> IstioMember:
        injected, why = self._injected(endpoint)
        if injected is Tri.YES:
            return IstioMember(Tri.YES, Tri.NO, Basis.PREDICTED, why)
        ambient, why_ambient = self._expected_ambient(endpoint)
        if ambient is Tri.YES and injected is Tri.NO:
            return IstioMember(Tri.NO, Tri.YES, Basis.PREDICTED, why_ambient)
        basis = Basis.PREDICTED if Tri.UNKNOWN not in (injected, ambient) else Basis.UNKNOWN
        return IstioMember(injected, ambient, basis, why + why_ambient)

    def _injected(self, endpoint: Endpoint) -> tuple[Tri, Reasons]:
        if endpoint.host_network:
            return Tri.NO, Reasons((Cause("data-plane.host-network"),))
        if endpoint.namespace in SYSTEM_NAMESPACES:
            cause = Cause("injection.system-namespace", (("namespace", endpoint.namespace),))
            return Tri.NO, Reasons((cause,))
        wanted = self._wanted(endpoint)
        if wanted is Tri.NO:
            return Tri.NO, Reasons(
                (Cause("injection.declined", (("mesh", "Istio"),)),), (), endpoint.evidence
            )
        called, why = self.injector.calls(endpoint)
        if called is Tri.YES and wanted is Tri.UNKNOWN:
            return Tri.UNKNOWN, why + Reasons((Cause("indeterminate.injection.policy-unknown"),))
        return called, why

    def _wanted(self, endpoint: Endpoint) -> Tri:
        """What the injector does once it is called (injectRequired): the label outranks the annotation."""
        asked = endpoint.labels.get(INJECT, endpoint.annotations.get(INJECT, "")).lower()
        if asked:
            return Tri.YES if asked in _TRUE else Tri.NO
        if any(selector.matches(endpoint.labels) for selector in self.config.never):
            return Tri.NO
        if any(selector.matches(endpoint.labels) for selector in self.config.always):
            return Tri.YES
        if self.config.by_default is None:
            return Tri.UNKNOWN
        return Tri.YES if self.config.by_default else Tri.NO

    def _expected_ambient(self, endpoint: Endpoint) -> tuple[Tri, Reasons]:
        if endpoint.host_network or STATUS in endpoint.annotations:
            return Tri.NO, Reasons((Cause("data-plane.host-network"),) if endpoint.host_network else ())
        asked = endpoint.labels.get(DATAPLANE_MODE)
        if asked is None:
            if not self._cluster.knows_namespace(endpoint.namespace):
                named = (("namespace", endpoint.namespace),)
                return Tri.UNKNOWN, Reasons((Cause("indeterminate.injection.namespace-unknown", named),))
            asked = self._cluster.namespace_labels(endpoint.namespace).get(DATAPLANE_MODE)
        if asked != "ambient":
            return Tri.NO, Reasons((Cause("istio.ambient-not-asked"),))
        if self._ztunnel is Tri.YES:
            return Tri.YES, Reasons((Cause("istio.ambient-expected"),), (), endpoint.evidence)
        if self._ztunnel is Tri.NO:
            return Tri.NO, Reasons((Cause("istio.no-ztunnel"),))
        return Tri.UNKNOWN, Reasons((Cause("indeterminate.istio.no-ztunnel-seen"),))

    @cached_property
    def _ztunnel(self) -> Tri:
        """Whether ztunnel is there: without it no node captures ambient traffic."""
        if any(endpoint.labels.get("app") == "ztunnel" for endpoint in self._endpoints):
            return Tri.YES
        complete = self._cluster.completeness(POD, observed=True).state in KNOWN
        return Tri.NO if complete and self._cluster.pods else Tri.UNKNOWN


def _observed(endpoint: Endpoint, seen: Observation) -> Reasons:
    return Reasons((seen.cause,), (), endpoint.evidence)
