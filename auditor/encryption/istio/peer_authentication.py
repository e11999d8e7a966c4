"""PeerAuthentication: which mode governs a container port (policy_applier.go; ambient/authorization.go)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from auditor.encryption.label_index import LabelIndex
from auditor.encryption.precedence import possible_winners
from auditor.encryption.verdicts import Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import kind_key
from auditor.model.objects import KubeObject, mapping_at
from auditor.model.verdict import Cause, RuleRef

PEER_AUTHENTICATION = kind_key("security.istio.io", "PeerAuthentication")


class Mode(StrEnum):
    """Mutual TLS modes. UNKNOWN is a value that Istio's API doesn't have, or something that isn't a mode at all."""

    UNSET = "UNSET"
    DISABLE = "DISABLE"
    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, eq=False)
class PeerPolicy:
    """A parsed PeerAuthentication. `selector` None: it has none, or an empty one; `explicit_selector`: `{}` or more.

    `readable` false: the selector cannot be read, so whom it selects isn't known.
    """

    obj: KubeObject
    selector: Mapping[str, str] | None
    explicit_selector: bool
    readable: bool
    mode: Mode
    ports: Mapping[int, Mode]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a pod's labels contain the selector; an unreadable one may select anything."""
        return not self.readable or all(labels.get(k) == v for k, v in (self.selector or {}).items())

    def rule(self, path: str) -> RuleRef:
        """A reference to a place in it."""
        return RuleRef(str(self.obj.id), path, self.obj.evidence_id)


@dataclass(frozen=True, slots=True)
class Scopes:
    """What may win in each scope. None stands for "no policy"; several where ages aren't recorded."""

    mesh: tuple[PeerPolicy | None, ...]
    namespace: tuple[PeerPolicy | None, ...]
    workload: tuple[PeerPolicy | None, ...]


Trio = tuple[PeerPolicy | None, PeerPolicy | None, PeerPolicy | None]


class PeerAuthentications:
    """Every PeerAuthentication, by namespace."""

    def __init__(self, cluster: Cluster) -> None:
        self._by_namespace: dict[str, list[PeerPolicy]] = {}
        for obj in cluster.all(PEER_AUTHENTICATION):
            self._by_namespace.setdefault(obj.namespace, []).append(parse_policy(obj))
        self._selective = {
            namespace: LabelIndex(
                (p.selector, p) for p in policies if p.selector is not None or not p.readable
            )
            for namespace, policies in self._by_namespace.items()
        }
        self._wide: dict[tuple[str, str, bool], tuple[PeerPolicy | None, ...]] = {}

    def scopes(self, endpoint: Endpoint, root: str, *, ambient: bool) -> Scopes:
        """The possible winners for an endpoint: the oldest of each scope; losers are dropped whole."""
        own, labels = endpoint.namespace, endpoint.labels
        workload: list[PeerPolicy] = []
        if own != root and own in self._selective:
            workload = [p for p in self._selective[own].candidates(labels) if p.selects(labels)]
        winners: tuple[PeerPolicy | None, ...] = _winners(workload, ambient)
        if any(not policy.readable for policy in workload):
            winners = (*dict.fromkeys(workload), None)
        namespace = (None,) if own == root else self._wide_winners(own, ambient, elsewhere=False)
        return Scopes(self._wide_winners(root, ambient, elsewhere=own != root), namespace, winners)

    def namespace_modes(self, namespace: str, root: str) -> frozenset[Mode]:
        """The mode of the namespace or mesh policy, as clients' auto mTLS looks at it; PERMISSIVE where there is none."""
        mesh = {_mode(p) for p in self._wide_winners(root, ambient=False, elsewhere=False)}
        if namespace == root:
            own = {Mode.UNSET}
        else:
            own = {_mode(p) for p in self._wide_winners(namespace, ambient=False, elsewhere=False)}
        settled = {m if n is Mode.UNSET else n for n in own for m in mesh}
        return frozenset(Mode.PERMISSIVE if mode is Mode.UNSET else mode for mode in settled)

    def _wide_winners(self, namespace: str, ambient: bool, elsewhere: bool) -> tuple[PeerPolicy | None, ...]:
        """The winner among policies without a selector. For ambient workloads elsewhere, `selector: {}` in the root
        namespace does not count."""
        key = (namespace, "ambient" if ambient else "sidecar", elsewhere)
        if key not in self._wide:
            candidates = [
                policy
                for policy in self._by_namespace.get(namespace, [])
                if policy.readable
                and policy.selector is None
                and not (ambient and elsewhere and policy.explicit_selector)
            ]
            self._wide[key] = _winners(candidates, ambient)
        return self._wide[key]


def parse_policy(obj: KubeObject) -> PeerPolicy:
    """Read one PeerAuthentication; whatever has the wrong shape is UNKNOWN, never an error."""
    spec = obj.body.get("spec")
    if spec is not None and not isinstance(spec, Mapping):
        return PeerPolicy(obj, None, False, False, Mode.UNKNOWN, {})
    raw = mapping_at(obj.body, "spec")
    labels, readable = _selector(raw.get("selector"))
    explicit = raw.get("selector") is not None
    ports, broken = _ports(raw.get("portLevelMtls"))
    mode = Mode.UNKNOWN if broken else read_mode(raw.get("mtls"))
    return PeerPolicy(obj, labels or None, explicit, readable, mode, ports)


def read_mode(mtls: object) -> Mode:
    """The mode of a `mtls` block; a missing block or mode is UNSET."""
    if mtls is None:
        return Mode.UNSET
    if not isinstance(mtls, Mapping):
        return Mode.UNKNOWN
    value = mtls.get("mode")
    if value is None:
        return Mode.UNSET
    return Mode(value) if isinstance(value, str) and value in Mode.__members__ else Mode.UNKNOWN


def _selector(raw: object) -> tuple[dict[str, str], bool]:
    if raw is None:
        return {}, True
    labels = raw.get("matchLabels") if isinstance(raw, Mapping) else 0
    if labels is None:
        return {}, True
    if not isinstance(labels, Mapping) or not all(isinstance(v, str) for v in labels.values()):
        return {}, False
    return {str(key): value for key, value in labels.items()}, True


def _ports(raw: object) -> tuple[dict[int, Mode], bool]:
    if raw is None:
        return {}, False
    if not isinstance(raw, Mapping):
        return {}, True
    found = {str(port): read_mode(mtls) for port, mtls in raw.items()}
    ports = {int(p): mode for p, mode in found.items() if p.isascii() and p.isdigit() and len(p) <= 5}
    return ports, len(ports) != len(found)


def _winners(candidates: Sequence[PeerPolicy], ambient: bool) -> tuple[PeerPolicy | None, ...]:
    return possible_winners(candidates, lambda p: p.obj, names_break_ties=not ambient) or (None,)


def _mode(policy: PeerPolicy | None) -> Mode:
    return policy.mode if policy else Mode.UNSET


def sidecar_mode(
    mesh: PeerPolicy | None, namespace: PeerPolicy | None, workload: PeerPolicy | None, port: int
) -> Mode:
    """The mode of a container port behind a sidecar."""
    mode = Mode.PERMISSIVE
    for policy in (mesh, namespace, workload):
        if policy is not None and policy.mode is not Mode.UNSET:
            mode = policy.mode
    port_mode = workload.ports.get(port, Mode.UNSET) if workload else Mode.UNSET
    return mode if port_mode is Mode.UNSET else port_mode


def ambient_mode(
    mesh: PeerPolicy | None, namespace: PeerPolicy | None, workload: PeerPolicy | None, port: int
) -> Mode:
    """STRICT or PERMISSIVE for a container port behind ztunnel, which knows DISABLE as PERMISSIVE; or UNKNOWN."""
    modes = [policy.mode for policy in (mesh, namespace, workload) if policy is not None]
    port_modes = set(workload.ports.values()) if workload else set()
    if Mode.UNKNOWN in modes or Mode.UNKNOWN in port_modes:
        return Mode.UNKNOWN
    parent = _mode(namespace) if _mode(namespace) is not Mode.UNSET else _mode(mesh)
    own = _mode(workload)
    effective = _strictness(parent if own is Mode.UNSET else own)
    asked = workload.ports.get(port, Mode.UNSET) if workload else Mode.UNSET
    if own is not Mode.UNSET or effective is Mode.PERMISSIVE or not port_modes:
        return effective if asked is Mode.UNSET else _strictness(asked)
    return _under_strict_parent(namespace, asked, port_modes)


def _under_strict_parent(namespace: PeerPolicy | None, asked: Mode, port_modes: set[Mode]) -> Mode:
    """A workload policy without a mode of its own, under STRICT: ports that are DISABLE alone stay STRICT.

    As soon as one port is PERMISSIVE the policy is merged, with an exception for each port that isn't STRICT; but a
    namespace policy that leaves its mode unset spoils the merge, and what ztunnel then does isn't defined.
    """
    if Mode.PERMISSIVE not in port_modes:
        return Mode.STRICT
    if namespace is not None and namespace.mode is Mode.UNSET:
        return Mode.UNKNOWN
    return Mode.STRICT if asked in (Mode.UNSET, Mode.STRICT) else Mode.PERMISSIVE


def _strictness(mode: Mode) -> Mode:
    return Mode.STRICT if mode is Mode.STRICT else Mode.PERMISSIVE


@dataclass(frozen=True, slots=True)
class Governing:
    """The mode of a port with the policies that give it. UNKNOWN comes with an indeterminate cause."""

    mode: Mode
    reasons: Reasons


def governing_mode(scopes: Scopes, port: int, *, ambient: bool) -> Governing:
    """Compose the scopes for a container port; competitors that differ in effect leave it UNKNOWN."""
    decide = ambient_mode if ambient else sidecar_mode
    trios: list[Trio] = list(
        product(_distinct(scopes.mesh), _distinct(scopes.namespace), _distinct(scopes.workload))
    )
    modes = {decide(*trio, port) for trio in trios}
    if len(modes) > 1:
        compete = [
            p for scope in (scopes.mesh, scopes.namespace, scopes.workload) if len(scope) > 1 for p in scope
        ]
        rules = tuple(dict.fromkeys(policy.rule("spec") for policy in compete if policy))
        code = "indeterminate.istio.oldest-unknown"
        if any(policy and not policy.readable for policy in compete):
            code = "indeterminate.istio.selector-unreadable"
        names = ", ".join(rule.object for rule in rules[:5])
        return Governing(Mode.UNKNOWN, _with_evidence((Cause(code, (("policies", names),)),), rules))
    mode = modes.pop()
    trio = next(t for t in trios)
    causes, rules = _explain(trio, port)
    if mode is Mode.UNKNOWN:
        causes = (*causes, Cause("indeterminate.istio.mode-unknown", (("policies", _names(rules)),)))
    return Governing(mode, _with_evidence(causes, rules))


def _distinct(policies: Sequence[PeerPolicy | None]) -> list[PeerPolicy | None]:
    """One policy for each different effect, so that hundreds of undated competitors stay cheap."""
    seen: dict[object, PeerPolicy | None] = {}
    for policy in policies:
        seen.setdefault((policy.mode, tuple(sorted(policy.ports.items()))) if policy else None, policy)
    return list(seen.values())


def _explain(trio: Trio, port: int) -> tuple[tuple[Cause, ...], tuple[RuleRef, ...]]:
    mesh, namespace, workload = trio
    rules = [policy.rule("spec.mtls") for policy in trio if policy and policy.mode is not Mode.UNSET]
    if workload and workload.ports.get(port, Mode.UNSET) is not Mode.UNSET:
        rules.append(workload.rule(f"spec.portLevelMtls.{port}"))
        code = "istio.mode-of-port"
    elif workload and workload.mode is not Mode.UNSET:
        code = "istio.mode-of-workload"
    elif namespace and namespace.mode is not Mode.UNSET:
        code = "istio.mode-of-namespace"
    elif mesh and mesh.mode is not Mode.UNSET:
        code = "istio.mode-of-mesh"
    else:
        return (Cause("istio.mode-by-default"),), tuple(rules)
    return (Cause(code, (("policy", rules[-1].object),)),), tuple(rules)


def _names(rules: Sequence[RuleRef]) -> str:
    return ", ".join(dict.fromkeys(rule.object for rule in rules))


def _with_evidence(causes: tuple[Cause, ...], rules: tuple[RuleRef, ...]) -> Reasons:
    return Reasons(causes, rules, tuple(dict.fromkeys(rule.evidence_id for rule in rules)))
