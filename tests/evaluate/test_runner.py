"""The runner's safety: exceptions, incomplete evidence, empty populations, accounting (contracts, Incomplete evidence)."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from auditor.checks.context import Context, Facts
from auditor.checks.definition import Check, Judgement, NoParameters, Yielded, check
from auditor.evaluate.runner import CheckRun, run_check
from auditor.inventory.scoping import ScopeView
from auditor.model.evidence import ANY_KIND, Claim, Completeness, Gap
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import INGRESS, NETWORK_POLICY, POD
from auditor.model.outcome import Outcome
from tests.objects import complete_claims, snapshot

REASONS = (
    Reason("good", Outcome.PASS, "{subject} is good."),
    Reason("bad", Outcome.FAIL, "{subject} is bad."),
    Reason("bad-for-good", Outcome.FAIL, "{subject} is bad whatever is missing.", final=True),
)
READS = (
    Read(POD, subjects=True),
    Read(NETWORK_POLICY, could_pass=True, in_namespace=True),
    Read(INGRESS, could_fail=True),
)


def yielding(*entries: Yielded | Exception) -> Check:
    @check("test", reads=READS, reasons=REASONS)
    def declared(context: Context, _: NoParameters) -> Iterator[Yielded]:
        """Passes when told to."""
        for entry in entries:
            if isinstance(entry, Exception):
                raise entry
            yield entry

    return declared


def run(
    declared: Check, claims: tuple[Claim, ...] = complete_claims(), gaps: tuple[Gap, ...] = ()
) -> CheckRun:
    facts = Facts(
        snapshot([], claims, {gap.key: gap for gap in gaps}), None, datetime(2026, 1, 1, tzinfo=UTC)
    )
    return run_check(
        "control", declared, NoParameters(), Context(facts, ScopeView("gdpr", facts.cluster, None))
    )


def said(reason: str, namespace: str = "shop") -> Judgement:
    return Judgement(reason, Subject(f"{namespace}/Pod/web", namespace))


def outcomes(done: CheckRun) -> list[tuple[str, str]]:
    return [(str(finding.outcome), finding.reason) for finding in done.findings]


def test_an_exception_is_an_error_and_what_was_found_before_it_stays() -> None:
    done = run(yielding(said("bad"), ZeroDivisionError("secret\nline")))
    assert outcomes(done) == [("FAIL", "bad"), ("ERROR", "error.check-failed")]


def test_an_exception_alone_never_passes() -> None:
    assert outcomes(run(yielding(KeyError("x")))) == [("ERROR", "error.check-failed")]


def test_a_reason_outside_the_closed_list_is_an_error() -> None:
    assert outcomes(run(yielding(said("fine")))) == [("ERROR", "error.unknown-reason")]


def test_an_exclusion_outside_the_closed_list_is_an_error_and_excludes_nothing() -> None:
    done = run(yielding(Exclusion("shop/Pod/web", "felt-like-it"), said("good")))
    assert outcomes(done) == [("ERROR", "error.unknown-exclusion"), ("PASS", "good")]
    assert done.findings[0].subject.id == "shop/Pod/web"
    assert (done.listed, done.excluded) == (frozenset({"shop/Pod/web"}), frozenset())


def test_no_subject_in_complete_evidence_is_said_aloud() -> None:
    assert outcomes(run(yielding())) == [("NOT_APPLICABLE", "no-subject")]


def test_only_exclusions_are_not_applicable_and_counted() -> None:
    done = run(yielding(Exclusion("shop/Pod/web", "out-of-scope")))
    assert outcomes(done) == [("NOT_APPLICABLE", "all-excluded")]
    assert (len(done.listed), len(done.excluded)) == (1, 1)


def without(*kinds: object) -> tuple[Claim, ...]:
    return tuple(claim for claim in complete_claims() if claim.key not in kinds)


@pytest.mark.parametrize(
    ("missing", "reason", "expected"),
    [
        (NETWORK_POLICY, "bad", "NOT_EVALUATED"),
        (NETWORK_POLICY, "good", "PASS"),
        (INGRESS, "good", "NOT_EVALUATED"),
        (INGRESS, "bad", "FAIL"),
        (NETWORK_POLICY, "bad-for-good", "FAIL"),
    ],
)
def test_only_outcomes_that_a_missing_object_could_reverse_are_lost(
    missing: object, reason: str, expected: str
) -> None:
    assert str(run(yielding(said(reason)), without(missing)).findings[0].outcome) == expected


def test_a_downgrade_says_what_it_would_have_been_and_why() -> None:
    finding = run(yielding(said("bad")), without(NETWORK_POLICY)).findings[0]
    assert finding.reason == "incomplete-evidence"
    assert finding.parameters["would_be"] == "FAIL"
    assert finding.parameters["kinds"] == ["NetworkPolicy.networking.k8s.io"]


def test_a_claim_for_the_subjects_namespace_is_enough_for_kinds_that_matter_there_only() -> None:
    claim = Claim(NETWORK_POLICY, frozenset({"shop"}), "", "kubectl get", "test")
    done = run(yielding(said("bad"), said("bad", "other")), (*without(NETWORK_POLICY), claim))
    assert [str(finding.outcome) for finding in done.findings] == ["FAIL", "NOT_EVALUATED"]


def test_a_claim_with_a_selector_is_no_claim_for_all() -> None:
    claim = Claim(NETWORK_POLICY, None, "app=web", "kubectl get -l app=web", "test")
    assert outcomes(run(yielding(said("bad")), (*without(NETWORK_POLICY), claim)))[0][0] == "NOT_EVALUATED"


def test_an_empty_population_of_an_incomplete_kind_is_not_evaluated() -> None:
    assert outcomes(run(yielding(), without(POD))) == [("NOT_EVALUATED", "incomplete-population")]


def test_passes_from_an_incomplete_population_do_not_make_the_control_pass() -> None:
    done = run(yielding(said("good")), without(POD))
    assert outcomes(done) == [("PASS", "good"), ("NOT_EVALUATED", "incomplete-population")]


@pytest.mark.parametrize("state", [Completeness.FORBIDDEN, Completeness.PARTIAL])
def test_a_gap_beats_a_claim(state: Completeness) -> None:
    done = run(yielding(said("good")), gaps=(Gap(INGRESS, state, "403"),))
    assert outcomes(done)[0] == ("NOT_EVALUATED", "incomplete-evidence")


def test_one_unreadable_file_makes_every_kind_incomplete() -> None:
    gap = Gap(ANY_KIND, Completeness.PARTIAL, "pods.yaml can't be read")
    done = run(yielding(said("good")), gaps=(gap,))
    assert [str(finding.outcome) for finding in done.findings] == ["NOT_EVALUATED", "NOT_EVALUATED"]


def test_a_kind_that_is_not_installed_is_complete() -> None:
    gap = Gap(INGRESS, Completeness.NOT_INSTALLED, "not served")
    assert outcomes(run(yielding(said("good")), gaps=(gap,))) == [("PASS", "good")]
