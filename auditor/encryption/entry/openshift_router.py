"""What OpenShift's IngressControllers set for every Route that they admit: TLS versions, client certificates.

Read in openshift/api operator/v1/types_ingress.go: `status.tlsProfile` is what is in force; without it
`spec.tlsSecurityProfile` names a profile of config/v1/types_tlssecurityprofile.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.encryption.entry.entry_point import ClientAuthentication
from auditor.encryption.entry.sources import Sources, evidence_of
from auditor.encryption.entry.tls_versions import ORDER, version_of
from auditor.encryption.entry_reasons import cause
from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause

INGRESS_CONTROLLER = KindKey("operator.openshift.io", "IngressController")
_PROFILES = {"Old": "1.0", "Intermediate": "1.2", "Modern": "1.3"}
_CLIENTS = {
    "Required": ClientAuthentication.REQUIRED,
    "Optional": ClientAuthentication.OPTIONAL,
    "": ClientAuthentication.NONE,
}
_WEAKEST_FIRST = (
    ClientAuthentication.NONE,
    ClientAuthentication.INDETERMINATE,
    ClientAuthentication.OPTIONAL,
    ClientAuthentication.REQUIRED,
)


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """The weakest of what the controllers that admit a Route set."""

    minimum: str | None
    ciphers: str | None
    client: ClientAuthentication
    causes: tuple[Cause, ...] = ()
    evidence: tuple[str, ...] = ()


_NOT_READ = RouterSettings(
    None, None, ClientAuthentication.INDETERMINATE, (cause("indeterminate.entry.route.client"),)
)


def router_settings(sources: Sources, route: KubeObject) -> RouterSettings:
    """What holds for a Route: the controllers that say they admit it, else all that are in the evidence."""
    known = sources.cluster.all(INGRESS_CONTROLLER)
    named = [text_at(entry, "routerName") for entry in mappings_at(route.body, "status", "ingress")]
    admitting = [c for c in known if c.name in named] if named else list(known)
    if not admitting or len(admitting) < len({n for n in named if n}):
        return _NOT_READ
    minimums = [_minimum(controller) for controller in admitting]
    lowest = None if None in minimums else min((m for m in minimums if m), key=ORDER.index)
    client = min((_client(c) for c in admitting), key=_WEAKEST_FIRST.index)
    causes = () if lowest else (cause("indeterminate.entry.default-version"),)
    return RouterSettings(lowest, _ciphers(admitting), client, causes, evidence_of(*admitting))


def _minimum(controller: KubeObject) -> str | None:
    observed = text_at(controller.status, "tlsProfile", "minTLSVersion")
    if observed:
        return version_of(observed)
    profile = mapping_at(controller.spec, "tlsSecurityProfile")
    kind = text_at(profile, "type") or ""
    if kind == "Custom":
        return version_of(text_at(profile, "custom", "minTLSVersion") or "")
    return _PROFILES.get(kind)


def _ciphers(controllers: Sequence[KubeObject]) -> str | None:
    if len(controllers) != 1:
        return None
    listed = list_at(controllers[0].status, "tlsProfile", "ciphers")
    return ", ".join(c for c in listed if isinstance(c, str)) or None


def _client(controller: KubeObject) -> ClientAuthentication:
    policy = mapping_at(controller.spec, "clientTLS").get("clientCertificatePolicy") or ""
    return (
        _CLIENTS.get(policy, ClientAuthentication.INDETERMINATE)
        if isinstance(policy, str)
        else _NOT_READ.client
    )
