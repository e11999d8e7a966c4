"""Is an endpoint meshed by Linkerd: its proxy container, else predicted from the injector's webhook (pkg/inject)."""

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.encryption.injection import Injector, service_paths
from auditor.encryption.verdicts import Basis, Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import observe_linkerd_proxy
from auditor.inventory.endpoints import Endpoint
from auditor.model.objects import JsonObject, text_at
from auditor.model.verdict import Cause, Tri

INJECT = "linkerd.io/inject"
CONFIG_PREFIX = "config.linkerd.io/"
_INJECTING = ("enabled", "ingress")


@dataclass(frozen=True, slots=True)
class LinkerdMember:
    """Whether the proxy has the endpoint's traffic, on which basis, and why."""

    present: Tri
    basis: Basis
    reasons: Reasons


def is_linkerd_injector(hook: JsonObject) -> bool:
    """Whether a webhook is Linkerd's proxy injector."""
    name = text_at(hook, "name") or ""
    service = text_at(hook, "clientConfig", "service", "name") or ""
    return (
        name == "linkerd-proxy-injector.linkerd.io"
        or service == "linkerd-proxy-injector"
        or any("linkerd-proxy-injector" in path for path in service_paths(hook))
    )


class LinkerdDataPlane:
    """Membership of Linkerd's data plane."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.injector = Injector(cluster, is_linkerd_injector)

    def member(self, endpoint: Endpoint) -> LinkerdMember:
        """Whether the endpoint is meshed. The webhook may be skipped (`failurePolicy: Ignore`), so seeing beats it."""
        seen = observe_linkerd_proxy(endpoint)
        if seen.present is not Tri.UNKNOWN or seen.cause.code.endswith("pods-differ"):
            return LinkerdMember(seen.present, Basis.OBSERVED, Reasons((seen.cause,), (), endpoint.evidence))
        wanted, why = self._wanted(endpoint)
        if wanted is not Tri.YES:
            return LinkerdMember(wanted, Basis.PREDICTED if wanted is Tri.NO else Basis.UNKNOWN, why)
        called, why_called = self.injector.calls(endpoint)
        basis = Basis.UNKNOWN if called is Tri.UNKNOWN else Basis.PREDICTED
        return LinkerdMember(called, basis, why + why_called)

    def annotations(self, endpoint: Endpoint, basis: Basis) -> Mapping[str, str]:
        """The pod's annotations; for a prediction with the namespace's settings, which injection copies."""
        if basis is Basis.OBSERVED and endpoint.live:
            return endpoint.annotations
        inherited = {
            key: value
            for key, value in self._cluster.namespace_annotations(endpoint.namespace).items()
            if key.startswith(CONFIG_PREFIX)
        }
        return {**inherited, **endpoint.annotations}

    def _wanted(self, endpoint: Endpoint) -> tuple[Tri, Reasons]:
        if endpoint.host_network:
            return Tri.NO, Reasons((Cause("data-plane.host-network"),), (), endpoint.evidence)
        asked = endpoint.annotations.get(INJECT)
        if not asked:
            if not self._cluster.knows_namespace(endpoint.namespace):
                named = (("namespace", endpoint.namespace),)
                return Tri.UNKNOWN, Reasons((Cause("indeterminate.injection.namespace-unknown", named),))
            asked = self._cluster.namespace_annotations(endpoint.namespace).get(INJECT)
        if asked not in _INJECTING:
            return Tri.NO, Reasons(
                (Cause("injection.declined", (("mesh", "Linkerd"),)),), (), endpoint.evidence
            )
        return Tri.YES, Reasons((), (), endpoint.evidence)
