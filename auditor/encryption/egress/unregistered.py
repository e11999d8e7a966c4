"""What becomes of connections to destinations that no rule registers: passed on as they are, or refused by the proxy.

Istio: `outboundTrafficPolicy` of the Sidecar that governs a client, else MeshConfig's; ztunnel looks at neither
(src/proxy/outbound.rs passes on what it doesn't know). A proxy's refusal binds only traffic that it captures.
"""

from auditor.encryption.egress.istio import OUTSIDE
from auditor.encryption.egress.values import Hop, Sent
from auditor.encryption.istio.mesh_config import MeshConfigs
from auditor.encryption.istio.outbound import IstioOutbound
from auditor.encryption.istio.proxy_settings import governing_sidecars
from auditor.encryption.verdicts import DataPlane, Reasons
from auditor.inventory.endpoints import Endpoint
from auditor.model.objects import KubeObject, mapping_at, text_at
from auditor.model.verdict import Cause, RuleRef

_NEVER_A_PORT = 0


class Unregistered:
    """What clients send to hosts that nothing registers."""

    def __init__(self, configs: MeshConfigs, outbound: IstioOutbound) -> None:
        self._configs = configs
        self._outbound = outbound

    def hop(self, client: Endpoint, plane: DataPlane) -> Hop:
        """The one hop of such a connection."""
        if plane is DataPlane.ISTIO_SIDECAR:
            return self._from_sidecar(client)
        if plane is DataPlane.UNKNOWN:
            cause = Cause("indeterminate.client.source", (("endpoint", client.id),))
            return Hop(client.id, OUTSIDE, Sent.INDETERMINATE, Reasons((cause,)))
        ambient = plane is DataPlane.ISTIO_AMBIENT
        cause = Cause("egress.ambient-passes-on" if ambient else "egress.no-proxy")
        return Hop(client.id, OUTSIDE, Sent.APPLICATION, Reasons((cause,)))

    def _from_sidecar(self, client: Endpoint) -> Hop:
        config = self._configs.of(client)
        sidecars = governing_sidecars(self._outbound.sidecars, client, config.root_namespace or "")
        policies = {_policy_of(obj) for obj in sidecars}
        if len(policies) > 1:
            cause = Cause("indeterminate.egress.sidecars-compete", (("policy", str(sidecars[0].id)),))
            return Hop(client.id, OUTSIDE, Sent.INDETERMINATE, Reasons((cause,)))
        mode = policies.pop() if policies else None
        if mode is not None:
            rule = RuleRef(str(sidecars[0].id), "spec.outboundTrafficPolicy", sidecars[0].evidence_id)
            return self._by_mode(client, mode, (rule,))
        words = {True: "ALLOW_ANY", False: "REGISTRY_ONLY"}
        rules = (config.source,) if config.source else ()
        named = words.get(config.outbound_any, "") if config.outbound_any is not None else ""
        return self._by_mode(client, named, rules)

    def _by_mode(self, client: Endpoint, mode: str, rules: tuple[RuleRef, ...]) -> Hop:
        evidence = tuple(rule.evidence_id for rule in rules)
        if mode == "ALLOW_ANY":
            reasons = Reasons((Cause("egress.passed-on"),), rules, evidence)
            return Hop(client.id, OUTSIDE, Sent.APPLICATION, reasons)
        if mode != "REGISTRY_ONLY":
            unknown = Reasons((Cause("indeterminate.egress.outbound-policy"),), rules, evidence)
            return Hop(client.id, OUTSIDE, Sent.INDETERMINATE, unknown)
        if self._outbound.excludes_ports(client):
            cause = Cause("egress.some-ports-not-captured")
            return Hop(client.id, OUTSIDE, Sent.APPLICATION, Reasons((cause,), rules, evidence))
        past = self._outbound.bypass(client, _NEVER_A_PORT)
        if past is not None:
            return Hop(client.id, OUTSIDE, Sent.INDETERMINATE, past.reasons + Reasons((), rules, evidence))
        refused = Reasons((Cause("egress.refused-by-proxy"),), rules, evidence)
        return Hop(client.id, OUTSIDE, Sent.NOTHING, refused)


def _policy_of(sidecar: KubeObject) -> str | None:
    """The mode that a Sidecar sets; None where it leaves that to the mesh. An egress proxy of its own is not followed."""
    if sidecar.spec.get("outboundTrafficPolicy") is None:
        return None
    policy = mapping_at(sidecar.spec, "outboundTrafficPolicy")
    return "" if policy.get("egressProxy") else text_at(policy, "mode") or "REGISTRY_ONLY"
