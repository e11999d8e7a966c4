"""Which meshes are installed, and which of them carries each endpoint's traffic."""

from collections.abc import Iterator, Sequence
from functools import cached_property

from auditor.encryption.injection import KNOWN
from auditor.encryption.istio.data_plane import DATAPLANE_MODE, INJECT, IstioDataPlane, IstioMember
from auditor.encryption.istio.mesh_config import REVISION, MeshConfigs
from auditor.encryption.linkerd.config import COMPONENT, LinkerdConfig
from auditor.encryption.linkerd.data_plane import INJECT as LINKERD_INJECT
from auditor.encryption.linkerd.data_plane import LinkerdDataPlane, LinkerdMember
from auditor.encryption.verdicts import Basis, DataPlane, Membership, MeshPresence, Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import GATEWAY_TEMPLATES, is_istio_gateway, is_observed
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import NAMESPACE, POD, kind_key
from auditor.model.objects import KubeObject, text_at
from auditor.model.verdict import Cause, RuleRef, Tri, any_of

READS = (NAMESPACE, POD)
"""The kinds that have to be complete before a mesh is said to be absent; predictions also read WEBHOOKS."""

_ISTIO_GROUPS = ("security.istio.io", "networking.istio.io")
_LINKERD_GROUP = "policy.linkerd.io"
_ISTIO_LABELS = (("istio-injection", "enabled"), (DATAPLANE_MODE, "ambient"))
_ISTIO_POD_LABELS = ((INJECT, "true"), (DATAPLANE_MODE, "ambient"))
_LINKERD_ASKS = ("enabled", "ingress")
_GATEWAY = kind_key("gateway.networking.k8s.io", "Gateway")
_ISTIO_APPS = ("istiod", "ztunnel", "istio-cni-node")
_SHOWN = 5


class Meshes:
    """Presence of the meshes and membership in them."""

    def __init__(
        self,
        cluster: Cluster,
        endpoints: Sequence[Endpoint],
        istio: IstioDataPlane,
        linkerd: LinkerdDataPlane,
        configs: MeshConfigs,
        linkerd_config: LinkerdConfig,
    ) -> None:
        self._cluster = cluster
        self._endpoints = endpoints
        self._istio = istio
        self._linkerd = linkerd
        self._configs = configs
        self._linkerd_config = linkerd_config
        self._members: dict[str, tuple[IstioMember, LinkerdMember]] = {}
        self._memberships: dict[str, Membership] = {}

    @cached_property
    def presence(self) -> MeshPresence:
        """Whether Istio and Linkerd are installed, or meant to be."""
        istio, istio_reasons = self._present("Istio", list(self._istio_signs()))
        linkerd, linkerd_reasons = self._present("Linkerd", list(self._linkerd_signs()))
        return MeshPresence(istio, linkerd, istio_reasons, linkerd_reasons)

    def istio_member(self, endpoint: Endpoint) -> IstioMember:
        """Membership of Istio; no where Istio is known not to be installed."""
        return self._both(endpoint)[0]

    def linkerd_member(self, endpoint: Endpoint) -> LinkerdMember:
        """Membership of Linkerd; no where Linkerd is known not to be installed."""
        return self._both(endpoint)[1]

    def membership(self, endpoint: Endpoint) -> Membership:
        """Which data plane carries the endpoint's traffic."""
        if endpoint.id not in self._memberships:
            self._memberships[endpoint.id] = self._membership(endpoint)
        return self._memberships[endpoint.id]

    def _membership(self, endpoint: Endpoint) -> Membership:
        istio, linkerd = self._both(endpoint)
        plane, extra = _data_plane(istio, linkerd)
        if linkerd.present is Tri.YES:
            basis, reasons = linkerd.basis, linkerd.reasons
        elif plane in (DataPlane.ISTIO_SIDECAR, DataPlane.ISTIO_AMBIENT):
            basis, reasons = istio.basis, istio.reasons
        else:
            both = (istio.basis, linkerd.basis)
            basis = next((b for b in (Basis.UNKNOWN, Basis.PREDICTED) if b in both), Basis.OBSERVED)
            reasons = istio.reasons + linkerd.reasons
        reasons = reasons + extra
        return Membership(
            endpoint=endpoint,
            data_plane=plane,
            istio=any_of((istio.sidecar, istio.ambient)),
            linkerd=linkerd.present,
            basis=basis,
            gateway=istio.sidecar is Tri.YES and is_istio_gateway(endpoint),
            control_plane=_is_control_plane(endpoint),
            causes=reasons.causes,
            chain=reasons.chain,
            evidence=reasons.evidence or endpoint.evidence,
        )

    def _both(self, endpoint: Endpoint) -> tuple[IstioMember, LinkerdMember]:
        if endpoint.id not in self._members:
            istio, linkerd = self._istio.member(endpoint), self._linkerd.member(endpoint)
            unknown = Tri.UNKNOWN in (istio.sidecar, istio.ambient) and istio.basis is not Basis.OBSERVED
            if unknown and self.presence.istio is Tri.NO:
                istio = IstioMember(Tri.NO, Tri.NO, Basis.OBSERVED, self.presence.istio_reasons)
            unknown = linkerd.present is Tri.UNKNOWN and linkerd.basis is not Basis.OBSERVED
            if unknown and self.presence.linkerd is Tri.NO:
                linkerd = LinkerdMember(Tri.NO, Basis.OBSERVED, self.presence.linkerd_reasons)
            self._members[endpoint.id] = (istio, linkerd)
        return self._members[endpoint.id]

    def _present(self, mesh: str, signs: list[Reasons]) -> tuple[Tri, Reasons]:
        if signs:
            return Tri.YES, sum(signs[:_SHOWN], Reasons())
        if self._all_pods_were_seen:
            return Tri.NO, Reasons((Cause("mesh.not-installed", (("mesh", mesh),)),))
        return Tri.UNKNOWN, Reasons((Cause("indeterminate.mesh.not-known", (("mesh", mesh),)),))

    @cached_property
    def _all_pods_were_seen(self) -> bool:
        complete = all(self._cluster.completeness(kind, observed=True).state in KNOWN for kind in READS)
        return complete and all(is_observed(pod) for pod in self._cluster.pods)

    def _istio_signs(self) -> Iterator[Reasons]:
        yield from (
            member.reasons
            for endpoint in self._endpoints
            if Tri.YES in ((member := self._istio.member(endpoint)).sidecar, member.ambient)
        )
        for endpoint in self._endpoints:
            asks = any(endpoint.labels.get(key) == value for key, value in _ISTIO_POD_LABELS)
            if asks or endpoint.labels.get("app") in _ISTIO_APPS or GATEWAY_TEMPLATES in endpoint.annotations:
                yield _workload_sign(endpoint)
        for gateway in self._cluster.all(_GATEWAY):
            if (text_at(gateway.body, "spec", "gatewayClassName") or "").startswith("istio"):
                yield _object_sign(gateway)
        yield from _rule_signs(config.source for config in self._configs.all)
        yield from _rule_signs(hook.rule for hook in self._istio.injector.webhooks)
        yield from self._namespace_signs()
        yield from self._object_signs(*_ISTIO_GROUPS)

    def _linkerd_signs(self) -> Iterator[Reasons]:
        yield from (
            member.reasons
            for endpoint in self._endpoints
            if (member := self._linkerd.member(endpoint)).present is Tri.YES
        )
        for endpoint in self._endpoints:
            if COMPONENT in endpoint.labels or endpoint.annotations.get(LINKERD_INJECT) in _LINKERD_ASKS:
                yield _workload_sign(endpoint)
        yield from _rule_signs([self._linkerd_config.source])
        yield from _rule_signs(hook.rule for hook in self._linkerd.injector.webhooks)
        for namespace in self._cluster.all(NAMESPACE):
            if namespace.annotations.get(LINKERD_INJECT) in _LINKERD_ASKS:
                yield _object_sign(namespace)
        yield from self._object_signs(_LINKERD_GROUP)

    def _namespace_signs(self) -> Iterator[Reasons]:
        for namespace in self._cluster.all(NAMESPACE):
            asks = any(namespace.labels.get(key) == value for key, value in _ISTIO_LABELS)
            if asks or REVISION in namespace.labels:
                yield _object_sign(namespace)

    def _object_signs(self, *groups: str) -> Iterator[Reasons]:
        for kind in self._cluster.kinds():
            if kind.group in groups:
                yield from (_object_sign(obj) for obj in self._cluster.all(kind)[:_SHOWN])


def _data_plane(istio: IstioMember, linkerd: LinkerdMember) -> tuple[DataPlane, Reasons]:
    in_istio = Tri.YES in (istio.sidecar, istio.ambient)
    if in_istio and linkerd.present is Tri.YES:
        return DataPlane.UNKNOWN, Reasons((Cause("indeterminate.mesh.two-proxies"),))
    if in_istio:
        return DataPlane.ISTIO_SIDECAR if istio.sidecar is Tri.YES else DataPlane.ISTIO_AMBIENT, Reasons()
    if linkerd.present is Tri.YES:
        return DataPlane.LINKERD, Reasons()
    known = Tri.UNKNOWN not in (istio.sidecar, istio.ambient, linkerd.present)
    return DataPlane.NONE if known else DataPlane.UNKNOWN, Reasons()


def _is_control_plane(endpoint: Endpoint) -> bool:
    return endpoint.labels.get("app") in _ISTIO_APPS or COMPONENT in endpoint.labels


def _workload_sign(endpoint: Endpoint) -> Reasons:
    return Reasons((Cause("mesh.workload-seen", (("workload", endpoint.id),)),), (), endpoint.evidence)


def _object_sign(obj: KubeObject) -> Reasons:
    return Reasons((Cause("mesh.object-seen", (("object", str(obj.id)),)),), (), (obj.evidence_id,))


def _rule_signs(rules: "Iterator[RuleRef | None] | Sequence[RuleRef | None]") -> Iterator[Reasons]:
    for rule in rules:
        if rule is not None:
            cause = Cause("mesh.object-seen", (("object", rule.object),))
            yield Reasons((cause,), (rule,), (rule.evidence_id,))
