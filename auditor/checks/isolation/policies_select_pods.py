"""Every policy for scoped namespaces selects at least one pod: one that selects nothing protects nothing."""

from collections.abc import Iterator

from auditor.checks import told
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.reads import CLUSTER_POLICIES
from auditor.model.finding import Read, Reason, Subject
from auditor.model.kinds import NAMESPACE, NETWORK_POLICY, POD, WORKLOAD_KINDS
from auditor.model.outcome import Outcome
from auditor.network.reach import PolicyFacts
from auditor.network.support import NETWORK_LAYERS

REASONS = (
    Reason("selects", Outcome.PASS, "{subject} is in force (endpoints selected: {count}).", final=True),
    Reason(
        "selects-nothing",
        Outcome.FAIL,
        "{subject} selects no pod and no workload template: it restricts nothing.",
        remedy="Compare its selector with the labels of the pods it is meant for; remove it if they are gone.",
    ),
    Reason(
        "without-effect",
        Outcome.FAIL,
        "{subject} has no effect: {causes}.",
        final=True,
        remedy="Make it effective, or remove it so that nobody relies on it.",
    ),
)


@check(
    "policies-select-pods",
    reads=(
        Read(NETWORK_POLICY, subjects=True),
        *(Read(read.key, subjects=True) for read in CLUSTER_POLICIES),
        *(Read(key, could_pass=True) for key in (POD, *WORKLOAD_KINDS, NAMESPACE)),
    ),
    reasons=REASONS,
)
def policies_select_pods(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when a policy in a scoped namespace, or a cluster-wide one, selects a pod or a template.

    Fails when it selects nothing (a typo in a label isolates nothing), or is inert (staged, dry run). Policies of meshes
    are not in the population. Does not say that what it selects is what its author meant.
    """
    for fact in context.network.policies:
        if fact.layer not in NETWORK_LAYERS:
            continue
        namespace = fact.object.partition("/")[0]
        subject = Subject(fact.object, namespace)
        yield context.of_namespace(subject) or _judgement(subject, fact)


def _judgement(subject: Subject, fact: PolicyFacts) -> Judgement:
    code = "without-effect" if fact.inert else "selects-nothing" if fact.dangling else "selects"
    parameters = {
        "count": len(fact.selected),
        "selected": list(fact.selected),
        "directions": [str(direction) for direction in fact.directions],
        "causes": told.causes([fact.inert] if fact.inert else []),
    }
    return Judgement(code, subject, parameters, (fact.evidence_id,))
