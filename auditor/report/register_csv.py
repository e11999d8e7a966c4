"""`flow-register.csv`: the flow register for a spreadsheet, one line for each pair of ends that may connect.

Approved flows that policies deny, wholly or in part, and those with an end that names nothing follow as lines of their own.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from itertools import product

from auditor.model.result import AuditResult, RegisterApproval, RegisterFlow, RegisterResult
from auditor.model.scope import ApprovedFlow
from auditor.report.connectivity_csv import cell
from auditor.report.sentences import Sentences

COLUMNS = (
    "flow",
    "direction",
    "source",
    "destination",
    "services",
    "verdict",
    "approval",
    "approved_flow",
    "business_need",
    "approved_by",
    "approved_on",
    "review_by",
    "review_overdue",
    "account_data",
    "insecure",
    "security_feature",
    "encryption",
    "decided_by",
    "causes",
    "frameworks",
)
MAX_LINES = 200_000
"""Where pairs would make more lines than this, a line names all ends of a row of the register, separated by spaces."""
_DENIED = ("no", "partly", "unknown-end")
_BETWEEN = "; "


def render_csv(result: AuditResult) -> bytes:
    """UTF-8 with a header line. `flow` is the number in the report and in results.json; cells are never formulas."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    register = result.flow_register
    approvals = {flow.id: flow for flow in result.scope.approved_flows}
    overdue = {entry.id for entry in register.approvals if entry.review_overdue}
    sentences = Sentences(None)
    paired = is_paired(register)
    for flow in register.flows:
        named = [approvals[id_] for id_ in flow.approved_by if id_ in approvals]
        before = [str(flow.number), "into scope" if flow.direction == "in" else "out of scope"]
        after = [*_found(flow), *_approved(named, overdue), *_rest(flow, sentences)]
        writer.writerows(map(cell, (*before, *ends, *after)) for ends in _ends(flow, paired))
    for entry in register.approvals:
        if entry.frameworks and entry.possible in _DENIED and entry.id in approvals:
            writer.writerow(map(cell, _impossible(entry, approvals[entry.id], overdue)))
    return file.getvalue().encode(errors="replace")


def is_paired(register: RegisterResult) -> bool:
    """Whether each line is one source and one destination."""
    return sum(len(flow.sources) * len(flow.destinations) for flow in register.flows) <= MAX_LINES


def _ends(flow: RegisterFlow, paired: bool) -> Iterable[Sequence[str]]:
    if paired:
        return product(flow.sources, flow.destinations)
    return [(" ".join(flow.sources), " ".join(flow.destinations))]


def _found(flow: RegisterFlow) -> Iterator[str]:
    yield flow.services
    yield flow.verdict
    yield "people decide" if flow.standing == "people" else str(flow.standing)


def _approved(flows: Sequence[ApprovedFlow], overdue: set[str]) -> Iterator[str]:
    """Several approvals of one flow are told one after the other."""
    yield _BETWEEN.join(flow.id for flow in flows)
    yield _BETWEEN.join(flow.business_need for flow in flows)
    yield _BETWEEN.join(flow.approved_by for flow in flows)
    yield _BETWEEN.join(flow.approved_on.isoformat() for flow in flows)
    yield _BETWEEN.join(flow.review_by.isoformat() if flow.review_by else "not set" for flow in flows)
    yield _BETWEEN.join(_yes_or_no(flow.id in overdue) for flow in flows)
    yield _BETWEEN.join(_yes_or_no(flow.account_data) for flow in flows)
    yield _BETWEEN.join(_yes_or_no(flow.insecure) for flow in flows)
    yield _BETWEEN.join(flow.security_feature for flow in flows if flow.security_feature)


def _rest(flow: RegisterFlow, sentences: Sentences) -> Iterator[str]:
    yield flow.encryption
    yield _BETWEEN.join(_rule(rule) for rule in flow.decided_by)
    yield sentences.cause(flow.causes) if flow.causes else ""
    yield _BETWEEN.join(flow.frameworks)


def _impossible(entry: RegisterApproval, flow: ApprovedFlow, overdue: set[str]) -> Iterator[str]:
    unknown = _BETWEEN.join(entry.unknown)
    yield from ("", "", flow.source, flow.destination)
    yield entry.services if unknown else entry.impossible
    yield "unknown" if unknown else "denied"
    yield f"approved, but nothing is called {unknown}" if unknown else "approved but impossible"
    yield from _approved([flow], overdue)
    yield from ("", "", "", _BETWEEN.join(entry.frameworks))


def _rule(rule: Mapping[str, str]) -> str:
    return f"{rule.get('object', '')} {rule.get('rule', '')}".strip()


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"
