"""What the views choose, order and count."""

from auditor.model.outcome import Outcome, Status
from auditor.model.result import AuditResult, Input, KindEvidence
from auditor.report.bars import WIDTH, draw_bar
from auditor.report.draft import Draft
from auditor.report.profile import PAPER, SCREEN, shorten
from auditor.report.sections import appendix, controls, findings, gaps, populations, scope, summary
from auditor.report.sections.cover import inputs_hash
from tests.report.example import example, finding


def _finding(subject: str, outcome: Outcome):
    return finding("default-deny-ingress", subject, outcome, "r", "m")


def test_populations_show_gaps_first() -> None:
    given = [_finding("a", Outcome.PASS), _finding("b", Outcome.NOT_EVALUATED), _finding("c", Outcome.FAIL)]
    assert [entry.subject for entry in populations.choose(given, 10)] == ["c", "b", "a"]


def test_a_shortened_population_still_shows_passes() -> None:
    given = [_finding(f"f{n}", Outcome.FAIL) for n in range(50)] + [
        _finding(f"p{n}", Outcome.PASS) for n in range(50)
    ]
    chosen = [entry.outcome for entry in populations.choose(given, 6)]
    assert chosen == [Outcome.FAIL] * 3 + [Outcome.PASS] * 3


def test_a_shortened_population_of_deviations_is_filled_with_them() -> None:
    given = [_finding(f"f{n}", Outcome.FAIL) for n in range(50)]
    assert len(populations.choose(given, 6)) == 6


def test_one_row_more_than_the_limit_is_shown() -> None:
    assert not shorten([1, 2, 3], 2).cut
    assert shorten([1, 2, 3, 4], 2).rows == (1, 2)


def test_bars_fill_their_width_and_leave_out_zeros() -> None:
    bar = draw_bar("b", {Status.DEVIATION: 1, Status.NOT_TESTED: 0, Status.MANUAL: 200})
    assert [segment.count for segment in bar.segments] == [1, 200]
    assert abs(bar.segments[-1].x + bar.segments[-1].width - WIDTH) < 0.5
    assert bar.total == 201


def test_listed_is_evaluated_and_excluded_in_every_control(result: AuditResult) -> None:
    for entry in controls.build(Draft(result, SCREEN, None)).controls:
        assert entry.population.listed == entry.population.evaluated + sum(
            count for _, count in entry.excluded
        )
        assert sum(count for _, count in entry.counts) == entry.population.evaluated


def test_findings_with_one_reason_are_told_once_the_worst_first(result: AuditResult) -> None:
    groups = Draft(result, SCREEN, None).deviations
    assert [(group.number, group.control.id, len(group.findings)) for group in groups] == [
        (1, "scoped-namespace-isolation", 1),
        (2, "istio-plaintext-refused", 3),
        (3, "ingress-tls", 1),
    ]


def test_what_was_not_tested_is_grouped_by_cause(result: AuditResult) -> None:
    (group,) = Draft(result, SCREEN, None).gaps
    assert (group.cause, group.controls, len(group.findings)) == (
        "NetworkPolicy: collected only for payments",
        ("default-deny-egress",),
        9,
    )


def _of_one_framework(subject: str, framework: str, outcome: Outcome, reason: str = "r"):
    told = finding("default-deny-ingress", subject, outcome, reason, f"Seen for {framework}.")
    return told.model_copy(update={"id": f"{subject}-{framework}", "frameworks": [framework]})


def test_a_cause_names_requirements_of_the_frameworks_in_whose_scope_it_is_only() -> None:
    given = [_of_one_framework("a", "hipaa", Outcome.NOT_EVALUATED)]
    draft = Draft(example(given), SCREEN, None)
    (gap,) = gaps.build(draft).gaps
    (row,) = summary.build(draft).gaps.rows
    assert [refs.name for refs in gap.requirements] == ["HIPAA"]
    assert gap.requirements == row.requirements


def test_rows_about_one_subject_are_told_apart_by_framework() -> None:
    given = [
        _of_one_framework("twice", "gdpr", Outcome.FAIL),
        _of_one_framework("twice", "pci-dss-4.0.1", Outcome.FAIL),
        _of_one_framework("once", "gdpr", Outcome.FAIL),
        _of_one_framework("cluster", "hipaa", Outcome.NOT_APPLICABLE, "all-excluded"),
    ]
    draft = Draft(example(given), SCREEN, None)
    (population,) = (p for p in populations.build(draft).populations if p.judged.rows)
    (told,) = findings.build(draft).findings
    assert {(row.finding.subject, row.frameworks) for row in population.judged.rows} == {
        ("twice", "GDPR"),
        ("twice", "PCI DSS"),
        ("once", ""),
        ("cluster", "HIPAA"),
    }
    assert sorted(row.frameworks for row in told.subjects.rows) == ["", "GDPR", "PCI DSS"]


def test_kinds_that_the_engines_read_are_not_called_unread() -> None:
    unread = [
        KindEvidence(
            group=group,
            kind=kind,
            resource=None,
            objects=1,
            completeness="partial",
            cause="",
            requests=[],
            read=False,
        )
        for group, kind in (("", "ConfigMap"), ("apiextensions.k8s.io", "CustomResourceDefinition"))
    ]
    view = appendix.build(Draft(example(kinds=unread), PAPER, None))
    assert [row.entry.kind for row in view.settings] == ["ConfigMap"]
    assert [row.entry.kind for row in view.other.rows] == ["CustomResourceDefinition"]


def test_the_summary_counts_what_the_result_holds(result: AuditResult) -> None:
    view = summary.build(Draft(result, SCREEN, None))
    assert (view.deviations, view.undecided, view.errors, view.passes) == (4, 9, 1, 24)
    assert view.requirements == len(result.requirements) == sum(view.by_status.values())


def test_frameworks_that_classify_alike_share_a_picture(result: AuditResult) -> None:
    view = scope.build(Draft(result, PAPER, None))
    assert [zones.frameworks for zones in view.zones] == [("PCI DSS", "GDPR")]
    assert view.nothing_in_scope == ("HIPAA",)
    assert (view.zones[0].approved, view.zones[0].unapproved) == (1, 1)
    assert view.unclassified == (("newcomer", "PCI DSS, GDPR"),)


def test_boxes_of_the_picture_do_not_overlap_and_stay_inside(result: AuditResult) -> None:
    (zones,) = scope.build(Draft(result, PAPER, None)).zones
    for box in zones.boxes:
        assert box.x >= 0
        assert box.x + box.width <= zones.width
        assert box.y + box.height <= zones.height
        for other in zones.boxes:
            apart = box.x + box.width <= other.x or other.x + other.width <= box.x
            assert box is other or apart or abs(box.y - other.y) >= box.height


def test_many_namespaces_are_grouped_instead_of_drawn(result: AuditResult) -> None:
    names = [f"team-{number}" for number in range(200)]
    classes = [
        entry.model_copy(update={"namespace": name})
        for name in names
        for entry in result.scope.namespaces[:3]
    ]
    many = example(scope=result.scope.model_copy(update={"namespaces": classes}))
    view = scope.build(Draft(many, PAPER, None))
    assert not view.zones
    assert {row.count for row in view.members} == {200}


def test_the_hash_of_the_input_is_that_of_sorted_sha256sum_lines() -> None:
    files = [
        Input(path=path, size=1, sha256=sha256, objects=0, problem=None)
        for path, sha256 in (("b.yaml", "bb"), ("a.yaml", "aa"))
    ]
    # printf 'aa  a.yaml\nbb  b.yaml\n' | sha256sum
    assert inputs_hash(files) == "30b99215e69b0dd551b6a62e0515f2cab8c0587269b44ba7b37ad115ffecccc8"


def _remedied(remedies: list[str]) -> findings.FindingView:
    given = [
        finding("default-deny-ingress", f"ns/Deployment/{n}", Outcome.FAIL, "open", "Seen.", remedy=text)
        for n, text in enumerate(remedies)
    ]
    (view,) = findings.build(Draft(example(given), PAPER, None)).findings
    return view


def test_equal_remedies_are_told_once() -> None:
    assert _remedied(["Close it."] * 9).remedies == ("Close it.",)


def test_many_different_remedies_give_way_to_that_of_the_control() -> None:
    view = _remedied([f"Close port {n}." for n in range(9)])
    assert (view.remedies, view.remedies_differ) == ((), True)


def test_the_policy_that_decided_is_printed_beside_the_remedy(result: AuditResult) -> None:
    first = findings.build(Draft(result, PAPER, None)).findings[0]
    (shown,) = first.excerpts.rows
    assert shown.item.object == "card-vault/NetworkPolicy/vault-db"
    assert shown.excerpt.text.startswith("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n")
