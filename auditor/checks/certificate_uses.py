"""What certificates are for: the hosts in scope that they serve, the mesh that rests on them."""

from auditor.checks.context import Context
from auditor.checks.definition import Judgement
from auditor.checks.entries import leads_outside
from auditor.encryption.certificates import CertificateFact, HostCertificate
from auditor.model.verdict import Tri

_MESHES = {"istio-ca-root-cert": "Istio", "linkerd-identity-trust-roots": "Linkerd"}
_ISSUER_SECRETS = {"cacerts": "Istio", "linkerd-identity-issuer": "Linkerd"}

Key = tuple[str, str]
"""Object and place: what tells certificates apart."""

Outside = str | Judgement | None
"""Why an entry point doesn't lead into scope; None when it does."""


def key_of(fact: CertificateFact) -> Key:
    """The key of a certificate."""
    return fact.object, fact.place


def scoped_hosts(
    context: Context,
) -> tuple[dict[Key, list[HostCertificate]], list[tuple[HostCertificate, Outside]]]:
    """The hosts in scope that each certificate serves; and the hosts whose certificate or scope isn't known."""
    served: dict[Key, list[HostCertificate]] = {}
    others: list[tuple[HostCertificate, Outside]] = []
    for found in context.facts.host_certificates:
        outside = leads_outside(context, found.entry)
        if found.certificate is not None and outside is None:
            served.setdefault(key_of(found.certificate), []).append(found)
        elif found.certificate is None or isinstance(outside, Judgement):
            others.append((found, outside))
    return served, others


def scoped_meshes(context: Context) -> set[str]:
    """The meshes in whose data plane a workload in scope certainly is."""
    found = set()
    for endpoint in context.facts.endpoints:
        if endpoint.id in context.in_scope:
            member = context.encryption.membership(endpoint)
            found |= {
                name
                for name, there in (("Istio", member.istio), ("Linkerd", member.linkerd))
                if there is Tri.YES
            }
    return found


def mesh_of(fact: CertificateFact) -> str | None:
    """The mesh that a trust anchor or an issuer belongs to."""
    name = fact.object.rpartition("/")[2]
    if fact.use == "trust-anchor":
        return _MESHES.get(name)
    secret = (fact.secret or "").rpartition("/")[2]
    return _ISSUER_SECRETS.get(secret) if fact.use == "issuer" else None
