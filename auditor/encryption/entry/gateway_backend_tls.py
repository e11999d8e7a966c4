"""The hop behind a listener of the Gateway API: plaintext unless a BackendTLSPolicy holds for the Service's port.

Read in apis/v1/backendtlspolicy_types.go and GEP-713/1897: a target with sectionName comes before one without; of equals the
oldest wins, then by name. A policy whose CA cannot be resolved must not be ignored: the connection fails.
"""

from collections.abc import Iterator
from functools import cached_property

from auditor.encryption.entry.entry_point import BackendHop
from auditor.encryption.entry.gateway_conditions import of_ancestor
from auditor.encryption.entry.gateway_grants import GROUP
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry_reasons import cause
from auditor.encryption.precedence import possible_winners
from auditor.model.kinds import SERVICE, KindKey
from auditor.model.objects import KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, Tri

BACKEND_TLS = KindKey(GROUP, "BackendTLSPolicy")

Hop = tuple[BackendHop, tuple[Cause, ...], tuple[str, ...]]
"""A hop, why, and the evidence for it."""


class BackendTls:
    """The BackendTLSPolicies of the cluster by the Service that they target."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def hop(self, gateway: KubeObject, namespace: str, service: str, port: object) -> Hop | None:
        """The hop to a Service's port from a Gateway; None where no policy holds for it."""
        candidates = [
            p
            for p in self._holding(namespace, service, port)
            if of_ancestor(p, gateway, "Accepted") != (Tri.NO, "Conflicted")
        ]
        if not candidates:
            return None
        found = {
            policy.name: self._effect(policy, gateway) for policy in possible_winners(candidates, _itself)
        }
        effects = {hop for hop, _ in found.values()}
        evidence = tuple(p.evidence_id for p in candidates)
        if len(effects) > 1:
            names = ", ".join(sorted(found))[:200]
            unknown = cause("indeterminate.entry.gateway.backend-tls-age", policies=names)
            return BackendHop.INDETERMINATE, (unknown,), evidence
        hop, why = next(iter(found.values()))
        return hop, (why,), evidence

    def _holding(self, namespace: str, service: str, port: object) -> tuple[KubeObject, ...]:
        targeted = self._targeted.get((namespace, service), {})
        if not targeted:
            return ()
        obj = self._sources.cluster.get(SERVICE, namespace, service)
        for entry in mappings_at(obj.body, "spec", "ports") if obj else ():
            if entry.get("port") == port and (own := targeted.get(text_at(entry, "name") or "")):
                return tuple(own)
        return tuple(targeted.get(None, ()))

    def _effect(self, policy: KubeObject, gateway: KubeObject) -> tuple[BackendHop, Cause]:
        """What one policy makes of the hop. Whether an implementation knows the kind at all shows in its status only."""
        accepted, reason = of_ancestor(policy, gateway, "Accepted")
        if accepted is Tri.NO:
            told = {"policy": policy.name, "reason": (reason or "not stated")[:80]}
            return BackendHop.INDETERMINATE, cause("indeterminate.entry.gateway.backend-tls-refused", **told)
        if not self._validates(policy):
            broken = cause("indeterminate.entry.gateway.backend-tls-broken", policy=policy.name)
            return BackendHop.INDETERMINATE, broken
        code = (
            "entry.gateway.backend-tls" if accepted is Tri.YES else "entry.gateway.backend-tls-not-observed"
        )
        return BackendHop.VERIFIED, cause(code, policy=policy.name)

    def _validates(self, policy: KubeObject) -> bool:
        """A host name to check, and the system's authorities or CAs that may exist in the policy's own namespace."""
        validation = mapping_at(policy.spec, "validation")
        if not text_at(validation, "hostname"):
            return False
        if validation.get("wellKnownCACertificates") == "System":
            return True
        references = mappings_at(validation, "caCertificateRefs")
        return any(self._may_exist(policy.namespace, dict(r)) for r in references)

    def _may_exist(self, namespace: str, reference: dict[str, object]) -> bool:
        if reference.get("kind") != "ConfigMap" or reference.get("group"):
            return reference.get("kind") is not None
        obj, known = self._sources.config_map(namespace, str(reference.get("name")))
        return obj is not None or not known

    @cached_property
    def _targeted(self) -> dict[tuple[str, str], dict[str | None, list[KubeObject]]]:
        """Policies by Service and port name (None: all ports). Targets are in the policy's own namespace."""
        found: dict[tuple[str, str], dict[str | None, list[KubeObject]]] = {}
        for policy in self._sources.cluster.all(BACKEND_TLS):
            for name, section in _targets(policy):
                held = found.setdefault((policy.namespace, name), {}).setdefault(section, [])
                if policy not in held:
                    held.append(policy)
        return found


def _targets(policy: KubeObject) -> Iterator[tuple[str, str | None]]:
    for target in mappings_at(policy.spec, "targetRefs"):
        if target.get("kind") == "Service" and not target.get("group"):
            yield text_at(target, "name") or "", text_at(target, "sectionName") or None


def _itself(policy: KubeObject) -> KubeObject:
    return policy
