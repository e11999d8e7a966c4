"""Each scoped (pod, port) is protected in transit by something, whatever the mechanism."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded, check
from auditor.checks.ports import judge_ports
from auditor.checks.reads import DECLARED_PORTS, ENDPOINT_SUBJECTS, ISTIO_INBOUND, LINKERD_INBOUND
from auditor.encryption.verdicts import Membership, PortProtection
from auditor.model.finding import Read, Reason
from auditor.model.kinds import KindKey
from auditor.model.outcome import Outcome
from auditor.model.verdict import Protection, Tri

_VERSIONS = ("1.2", "1.3")


class Parameters(BaseModel):
    """The oldest TLS version that counts as strong cryptography where a mesh encrypts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum_tls: Literal["1.2", "1.3"] = "1.2"


REASONS = (
    Reason(
        "mtls-enforced",
        Outcome.PASS,
        "{subject} accepts mutual TLS only ({covered_by}, oldest TLS version {minimum_tls}).",
    ),
    Reason("tls-enforced", Outcome.PASS, "{subject} accepts TLS only ({covered_by})."),
    Reason(
        "tls-too-old",
        Outcome.FAIL,
        "{subject} accepts mutual TLS from version {minimum_tls} on ({covered_by}), which is older than {wanted}.",
        remedy="Raise meshMTLS.minProtocolVersion in MeshConfig, or unset TLS12_ENABLED in ztunnel.",
    ),
    Reason(
        "indeterminate.tls-version",
        Outcome.NOT_EVALUATED,
        "{subject} accepts mutual TLS only ({covered_by}); which version is the oldest that it takes can't be told.",
    ),
    Reason("nothing-may-connect", Outcome.PASS, "{subject} accepts no connection at all."),
    Reason(
        "encrypted-between-nodes",
        Outcome.PASS,
        "Traffic to {subject} from other nodes is encrypted by {covered_by}; traffic inside its own node is not.",
    ),
    Reason(
        "plaintext-possible",
        Outcome.FAIL,
        "{subject} accepts plaintext and nothing below encrypts it: {causes}.",
        remedy="Put the workload into a mesh that requires mutual TLS on port {port}, or let the CNI encrypt traffic "
        "between nodes (WireGuard or IPsec), or serve TLS in the application and record it as such.",
    ),
    Reason(
        "indeterminate.encryption",
        Outcome.NOT_EVALUATED,
        "What protects {subject} can't be told: {causes}.",
    ),
)
FELIX = KindKey("projectcalico.org", "FelixConfiguration")


@check(
    "ports-encrypted-in-transit",
    reads=(
        *ENDPOINT_SUBJECTS,
        DECLARED_PORTS,
        *ISTIO_INBOUND,
        *LINKERD_INBOUND,
        Read(FELIX, could_pass=True, could_fail=True),
    ),
    reasons=REASONS,
    parameters=Parameters,
)
def ports_encrypted_in_transit(context: Context, parameters: Parameters) -> Iterator[Yielded]:
    """Passes when every connection to the port is encrypted between nodes: by a mesh that refuses plaintext, or by the CNI.

    Fails when a mesh's TLS takes an older version than asked for (1.2 unless told otherwise), and when plaintext is
    accepted and the nodes don't encrypt either, so that an unmeshed cluster fails instead of
    being "not applicable". TLS that the application itself speaks can't be seen in the cluster's objects: such a port
    fails here and is answered by an approved exception. Traffic inside one node is stated, not judged.
    """
    below = context.encryption.nodes.cross_node
    for entry in judge_ports(context, _keep_out, lambda row: _reason(row, below)):
        yield _with_version(entry, parameters.minimum_tls) if isinstance(entry, Judgement) else entry


def _with_version(entry: Judgement, wanted: str) -> Judgement:
    """Mutual TLS counts only in a version that is strong enough."""
    found = entry.parameters.get("minimum_tls")
    if entry.reason != "mtls-enforced" or found in _VERSIONS[_VERSIONS.index(wanted) :]:
        return entry
    code = "tls-too-old" if found in _VERSIONS else "indeterminate.tls-version"
    return replace(entry, reason=code, parameters={**entry.parameters, "wanted": wanted})


def _keep_out(row: PortProtection, member: Membership) -> str | None:
    if row.proxy_port:
        return "mesh-proxy-port"
    return "mesh-gateway" if member.gateway else None


_BY_LABEL = {
    Protection.DENIED: "nothing-may-connect",
    Protection.ENFORCED_MTLS: "mtls-enforced",
    Protection.TLS_SERVER_ONLY: "tls-enforced",
}


def _reason(row: PortProtection, between_nodes: Tri) -> str:
    if (known := _BY_LABEL.get(row.label)) is not None:
        return known
    if row.record.cross_node_encrypted is Tri.YES:
        return "encrypted-between-nodes"
    known_open = row.record.plaintext_accepted is Tri.YES and between_nodes is Tri.NO
    return "plaintext-possible" if known_open else "indeterminate.encryption"
