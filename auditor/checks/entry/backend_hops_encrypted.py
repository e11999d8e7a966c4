"""What an entry point sends on to the pods behind it is encrypted: by itself, by a mesh, or between the nodes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.checks import told
from auditor.checks.context import Context, Facts
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.entries import HTTP_ENTRIES, ISTIO_GATEWAY, about, every_entry, evidence
from auditor.checks.entry_serving import OUTSIDE, controllers, serving
from auditor.checks.reads import ISTIO_INBOUND, LINKERD_INBOUND
from auditor.encryption.entry_points import BackendHop, EntryPoint
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Backend
from auditor.model.finding import Exclusion, Read, Reason
from auditor.model.kinds import SERVICE, KindKey
from auditor.model.outcome import Outcome
from auditor.model.verdict import Cause, Protection, Tri

REASONS = (
    Reason("verified", Outcome.PASS, "{subject} encrypts what it sends on and verifies the pods behind it."),
    Reason("passed-on", Outcome.PASS, "{subject} passes the client's TLS on to the pods behind it."),
    Reason(
        "encrypted",
        Outcome.PASS,
        "{subject} encrypts what it sends on; it does not verify which pods receive it.",
    ),
    Reason(
        "encrypted-below",
        Outcome.PASS,
        "What {subject} sends on is encrypted on the way by a mesh or between the nodes: {causes}.",
    ),
    Reason(
        "plaintext-behind-it",
        Outcome.FAIL,
        "{subject} sends plaintext on to {backends}: {causes}.",
        remedy="Have the controller speak TLS to the Service and verify it, put the controller and the pods into one mesh, "
        "or let the CNI encrypt traffic between nodes.",
    ),
    Reason("nothing-behind-it", Outcome.NOT_EVALUATED, "No pod in the evidence is behind {subject}."),
    Reason(
        "indeterminate.backend-hop",
        Outcome.NOT_EVALUATED,
        "Whether what {subject} sends on is encrypted can't be told: {causes}.",
    ),
)
_OWN = {
    BackendHop.VERIFIED: "verified",
    BackendHop.ENCRYPTED: "encrypted",
    BackendHop.PASSTHROUGH: "passed-on",
}
_DECIDING = (
    ("gateway.networking.k8s.io", "BackendTLSPolicy"),
    ("networking.istio.io", "DestinationRule"),
    ("projectcalico.org", "FelixConfiguration"),
)
_WORST_FIRST = (Tri.NO, Tri.UNKNOWN, Tri.YES)


@dataclass(slots=True)
class _Hops:
    """The hops from controllers to pods, each worked out once."""

    facts: Facts
    by_controller: Mapping[str, Sequence[Endpoint]]
    known: dict[tuple[str, str, int, str], tuple[Tri, tuple[Cause, ...]]]

    def encrypted(self, source: Endpoint, behind: Backend) -> tuple[Tri, tuple[Cause, ...]]:
        """Whether a hop is encrypted between nodes, or refused."""
        key = (source.id, behind.endpoint.id, behind.target_port, behind.protocol)
        if key not in self.known:
            flow = self.facts.encryption.flow(source, behind.endpoint, behind.target_port, behind.protocol)
            refused = flow.label is Protection.DENIED
            self.known[key] = (Tri.YES if refused else flow.record.cross_node_encrypted, flow.causes)
        return self.known[key]


@check(
    "backend-hops-encrypted",
    reads=(
        *HTTP_ENTRIES,
        Read(ISTIO_GATEWAY, subjects=True),
        *ISTIO_INBOUND,
        *LINKERD_INBOUND,
        *(Read(KindKey(*kind), could_pass=True, could_fail=True) for kind in _DECIDING),
    ),
    reasons=REASONS,
)
def backend_hops_encrypted(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when the controller speaks TLS to the pods, hands the client's TLS on, or the hop is encrypted below it.

    Judges entry points that lead into scope and serve something. The hop from a controller's pods is judged by both ends:
    what their mesh sends, what the port accepts, what the nodes encrypt. Fails when a hop is plaintext, also from a cloud's
    load balancer. Does not see TLS that applications speak without the controller knowing, or traffic inside one node.
    """
    hops = _Hops(context.facts, controllers(context.facts), {})
    for entry in every_entry(context):
        if not isinstance(entry, tuple):
            yield entry
            continue
        subject, row = entry
        if row.verdict is Protection.DENIED:
            yield Exclusion(subject.id, "serves-nothing")
            continue
        code, causes = _hop(hops, row, [b for b in row.destinations if b.endpoint.id in context.in_scope])
        parameters = {**about(row), "causes": told.causes(causes)}
        yield Judgement(code, subject, parameters, evidence(row))


def _hop(hops: _Hops, row: EntryPoint, behind: Sequence[Backend]) -> tuple[str, tuple[Cause, ...]]:
    if row.backend in _OWN:
        return _OWN[row.backend], row.causes
    if not behind:
        return "nothing-behind-it", row.causes
    outside = row.controller in OUTSIDE or row.kind == SERVICE.kind
    sources = [] if outside else serving(hops.facts, row, hops.by_controller)
    if not sources:
        return ("plaintext-behind-it" if outside else "indeterminate.backend-hop"), row.causes
    found = [hops.encrypted(s, b) for s in sources for b in behind if s.id != b.endpoint.id]
    worst, causes = min(found, key=lambda hop: _WORST_FIRST.index(hop[0]), default=(Tri.YES, ()))
    if worst is Tri.YES:
        return "encrypted-below", causes
    unsure = worst is Tri.UNKNOWN or row.backend is BackendHop.INDETERMINATE
    return ("indeterminate.backend-hop" if unsure else "plaintext-behind-it"), (causes or row.causes)
