"""The rules of network policies in scope are needed, and let through no more than they seem to be for."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.reads import CLUSTER_POLICIES
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import NAMESPACE, NETWORK_POLICY, POD, SERVICE, WORKLOAD_KINDS
from auditor.model.outcome import Outcome
from auditor.model.verdict import Reach
from auditor.network.reach import PolicyFacts
from auditor.network.representation import Direction
from auditor.network.rule_flaw import Flaw, RuleFlaw
from auditor.network.rule_quality import rule_flaws
from auditor.network.support import NETWORK_LAYERS

_MAX_NAMES = 50
REASONS = (
    Reason(
        "rules-needed",
        Outcome.PASS,
        "No rule of {subject} is without effect, and none lets through more than it seems to.",
    ),
    Reason(
        str(Flaw.BLOCK_COVERS_PODS),
        Outcome.FAIL,
        "{rules} of {subject} names an address block that also holds pods of other namespaces: {names}.",
        final=True,
        remedy="Leave the pods' address ranges out of the block in {rules} (except), or name narrower blocks.",
    ),
    Reason(
        str(Flaw.EVERY_NAMESPACE),
        Outcome.FAIL,
        "{rules} of {subject} selects every pod of every namespace: {names}.",
        final=True,
        remedy="Select the namespaces in {rules} by a label, and in them the pods that are meant.",
    ),
    Reason(
        str(Flaw.EVERY_POD),
        Outcome.FAIL,
        "{rules} of {subject} has an empty selector, which stands for every pod of the namespace and not for those "
        "that the policy selects: {names}.",
        final=True,
        remedy="Name in {rules} the labels of the pods that connect, or those of the policy's own pods.",
    ),
    Reason(
        str(Flaw.NEGATION),
        Outcome.FAIL,
        "{rules} of {subject} says only whom it doesn't let through, and so lets all others, addresses outside the "
        "cluster included: {names}.",
        final=True,
        remedy="Say in {rules} who is meant, by a selector or by address blocks; keep the negation as an exception to it.",
    ),
    Reason(
        str(Flaw.NO_PEERS),
        Outcome.FAIL,
        "{rules} of {subject} names ports and no peers, which opens them to everyone, inside and outside the cluster.",
        final=True,
        remedy="Name the peers in {rules}; where everyone is meant, say so by the entity all or world.",
    ),
    Reason(
        str(Flaw.DNS_CUT),
        Outcome.FAIL,
        "{rules} of {subject} opens destinations that are known by name, or denies the way to them, and the policies "
        "keep {names} from the cluster's DNS on 53/UDP.",
        remedy="Allow egress to the cluster's DNS pods on 53/UDP and 53/TCP for these pods.",
    ),
    Reason(
        str(Flaw.SHADOWED),
        Outcome.FAIL,
        "{rules} of {subject} never decides anything: all that it matches is decided before, by {names}.",
        remedy="Put {rules} before {names} if it should count (tier, order or priority, or a deny that is narrower); "
        "otherwise remove it.",
    ),
    Reason(
        str(Flaw.REDUNDANT),
        Outcome.FAIL,
        "Taking {rules} away from {subject} would change nothing; the same follows from {names}.",
        remedy="Remove {rules} and leave the directions of its policy as they are (policyTypes, types); or, if {names} is "
        "wider than it should be, narrow that one and keep this.",
    ),
    Reason(
        str(Flaw.REDUNDANT_PEER),
        Outcome.FAIL,
        "{rules} of {subject} adds nobody: all of its pods and addresses are in {names} of the same rule too.",
        remedy="Remove {rules}; or, if {names} is wider than it should be, narrow that one and keep this.",
    ),
    Reason(
        str(Flaw.MATCHES_NOTHING),
        Outcome.FAIL,
        "{rules} of {subject} names peers or ports that no pod has.",
        remedy="Compare the selectors and port names of {rules} with the pods that are meant; remove it if they are gone.",
    ),
    Reason(
        str(Flaw.TOO_MANY),
        Outcome.NOT_EVALUATED,
        "There are too many rules beside those of {subject} to tell which are redundant.",
    ),
    Reason(
        "indeterminate.invalid-policy",
        Outcome.NOT_EVALUATED,
        "{subject} is not valid, so what its rules do can't be told: {problem}.",
        final=True,
    ),
)


@check(
    "rules-needed",
    reads=(
        Read(NETWORK_POLICY, could_pass=True, could_fail=True, subjects=True, in_namespace=True),
        *(replace(read, subjects=True) for read in CLUSTER_POLICIES),
        *(Read(key, could_pass=True, could_fail=True) for key in (POD, *WORKLOAD_KINDS, NAMESPACE)),
        Read(SERVICE, could_fail=True),
    ),
    reasons=REASONS,
)
def rules_needed(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when every rule of a policy for scoped namespaces changes something, and none is of a kind that misleads.

    Fails for a rule that others cover or come before entirely, one that matches no pod, an address block that also holds
    pods of other namespaces, a selector or a negation that stands for more than it seems to, ports opened to everyone, and
    egress opened without DNS. Judged over the pods in the evidence; policies of meshes are not in the population. Does not
    say that a rule which passes is justified.
    """
    flaws = rule_flaws(
        context.network,
        context.facts.services,
        lambda source, server, port, layer: _reaches(context, source, server, port, layer),
    )
    problems = {p.object: f"{p.field}: {p.expected}" for p in reversed(context.network.policy_problems)}
    for fact in context.network.policies:
        if fact.layer not in NETWORK_LAYERS:
            continue
        namespace = fact.object.partition("/")[0]
        subject = Subject(fact.object, namespace)
        yield context.of_namespace(subject) or _judged(subject, fact, flaws, problems)


def _judged(
    subject: Subject,
    fact: PolicyFacts,
    flaws: Mapping[str, tuple[RuleFlaw, ...]],
    problems: Mapping[str, str],
) -> Yielded:
    if fact.inert:
        return Exclusion(subject.id, "inert")
    if fact.object not in flaws:
        parameters = {"problem": problems.get(fact.object, "")}
        return Judgement("indeterminate.invalid-policy", subject, parameters, (fact.evidence_id,))
    if fact.dangling:
        return Exclusion(subject.id, "selects-nothing")
    found = flaws[fact.object]
    code = str(found[0].kind) if found else "rules-needed"
    return Judgement(code, subject, _parameters(found), (fact.evidence_id,))


def _parameters(found: tuple[RuleFlaw, ...]) -> dict[str, Any]:
    gravest = [flaw for flaw in found if flaw.kind is found[0].kind]
    return {
        "rules": list(dict.fromkeys(flaw.path for flaw in gravest)),
        "names": sorted({name for flaw in gravest for name in flaw.names})[:_MAX_NAMES],
        "flaws": [
            {
                "kind": str(flaw.kind),
                "rule": flaw.path,
                "names": list(flaw.names[:_MAX_NAMES]),
                "names_total": len(flaw.names),
            }
            for flaw in found
        ],
    }


def _reaches(context: Context, source: Endpoint, server: Endpoint, port: int, layer: str) -> bool:
    """Whether a layer lets an endpoint send to the DNS server; what denies it on the server's side isn't its own."""
    decision = context.network.allows(source, server, port, "UDP")
    if decision.declared is not Reach.DENIED:
        return True
    return not any(
        step.layer == layer and step.direction is Direction.EGRESS and step.verdict in _DENIED
        for step in decision.chain
    )


_DENIED = (Reach.DENIED, Reach.DECLARED_NOT_ENFORCED)
