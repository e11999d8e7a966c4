"""results.json: canonical, and back."""

import json

from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult
from auditor.report.json_report import read_json, render_json
from tests.report.example import example, finding


def test_reading_what_was_written_gives_the_same_result(result: AuditResult) -> None:
    assert read_json(render_json(result)) == result


def test_keys_are_sorted_and_the_file_ends_with_a_newline(result: AuditResult) -> None:
    content = render_json(result)
    assert (
        content
        == (json.dumps(json.loads(content), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    )


def test_values_that_json_cannot_hold_do_not_stop_the_file() -> None:
    hostile = finding(
        "default-deny-ingress",
        "a/Deployment/b",
        Outcome.PASS,
        "denied",
        "",
        parameters={"name": "a\ud800b", "number": 2**70, "list": [{"key\udfff": "x"}]},
    )
    parameters = read_json(render_json(example([hostile]))).findings[0].parameters
    assert parameters == {"name": "a\ufffdb", "number": str(2**70), "list": [{"key\ufffd": "x"}]}
