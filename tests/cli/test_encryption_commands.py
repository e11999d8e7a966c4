"""`auditor encryption`, `entrypoints` and `certificates`: shapes, exit codes, hostile names, handshakes with named hosts."""

import csv
import io
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from auditor.cli.app import _run
from auditor.model.user_error import ExitCode
from auditor.report.answer_tables import AnswerTable, table_csv, table_parts
from auditor.report.connectivity_table import parts_text
from auditor.schemas import json_schema
from tests.tls_server import certificate, listening, server_context, tls

ROOT = Path(__file__).parents[2]
PAYMENTS = str(ROOT / "samples" / "clusters" / "payments-istio")
CLINIC = str(ROOT / "samples" / "clusters" / "clinic-linkerd")
FERRIES = str(ROOT / "samples" / "clusters" / "legacy-flannel")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = _run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    code, out, _ = run(capsys, *arguments, "--format", "json")
    assert code == ExitCode.DONE
    rows: list[dict[str, Any]] = json.loads(out)["rows"]
    return rows


@pytest.mark.parametrize("sample", [PAYMENTS, CLINIC, FERRIES])
@pytest.mark.parametrize("command", ["encryption", "entrypoints", "egress", "certificates"])
def test_json_is_valid_against_the_published_schema(
    capsys: pytest.CaptureFixture[str], command: str, sample: str
) -> None:
    code, out, _ = run(capsys, command, sample, "--format", "json")
    assert code == ExitCode.DONE
    Draft202012Validator(json_schema(command)).validate(json.loads(out))


def test_the_fields_of_a_row_are_those_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    port = rows_of(capsys, "encryption", PAYMENTS)[0]
    assert set(port) == {
        *("namespace", "workload", "pod", "port", "protocol", "verdict", "record", "data_plane", "mode"),
        *("minimum_tls_version", "covered_by", "reasons", "evidence"),
    }
    entry = rows_of(capsys, "entrypoints", PAYMENTS)[0]
    assert set(entry) == {
        *("object", "controller", "host", "port", "plaintext", "tls", "client_authentication", "backend"),
        *("verdict", "reasons", "hsts"),
    }
    out = rows_of(capsys, "egress", PAYMENTS)[0]
    assert set(out) == {
        *("object", "host", "port", "protocol", "location", "sources", "source_count", "hops", "sent"),
        *("verdict", "record", "reasons", "evidence"),
    }


@pytest.mark.parametrize(
    ("workload", "port", "verdict", "mode"),
    [
        ("payments/Deployment/ledger", 8080, "ENFORCED_MTLS", "STRICT"),
        ("payments/StatefulSet/ledger-db", 5432, "OPPORTUNISTIC", "PERMISSIVE"),
        ("payments/Deployment/payment-gateway", 9102, "PLAINTEXT", "DISABLE"),
        ("payments/Deployment/fraud-scoring", 8080, "PLAINTEXT", None),
    ],
)
def test_a_port_has_the_verdict_that_its_manifests_give_it(
    capsys: pytest.CaptureFixture[str], workload: str, port: int, verdict: str, mode: str | None
) -> None:
    rows = rows_of(capsys, "encryption", PAYMENTS)
    [row] = [row for row in rows if (row["workload"], row["port"]) == (workload, port)]
    assert (row["verdict"], row["mode"], row["pod"]) == (verdict, mode, None)
    assert rows == sorted(rows, key=lambda r: (r["workload"], r["port"], r["protocol"]))


def test_a_port_that_nobody_declared_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    pod = "payments/Deployment/ledger"
    [row] = rows_of(capsys, "encryption", PAYMENTS, "--pod", pod, "--port", "7777")
    assert (row["port"], row["protocol"], row["verdict"]) == (7777, "TCP", "ENFORCED_MTLS")
    [row] = rows_of(capsys, "encryption", PAYMENTS, "--pod", pod, "--port", "7777/udp")
    assert (row["protocol"], row["verdict"]) == ("UDP", "PLAINTEXT")


def test_a_pod_is_named_in_its_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = tmp_path / "pod.yaml"
    source.write_text(yaml.safe_dump(_pod("web")))
    code, out, err = run(capsys, "encryption", str(source), "--pod", "shop/web", "--format", "json")
    [row] = json.loads(out)["rows"]
    assert (row["workload"], row["pod"], row["port"]) == ("shop/Pod/web", "web", 8080)
    assert code == ExitCode.EVIDENCE_INCOMPLETE
    assert "complete" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["encryption", FERRIES, "--port", "80"], "--pod"),
        (["encryption", FERRIES, "--pod", "booking/nobody"], "no pod or endpoint"),
        (["encryption", FERRIES, "--pod", "booking/Deployment/web", "--port", "0"], "--port"),
        (["encryption", FERRIES, "--pod", "booking/Deployment/web", "--port", "80/ICMP"], "--port"),
        (["encryption", FERRIES, "--only-in-scope"], "--scope"),
        (["certificates", FERRIES, "--at", "yesterday"], "--at"),
        (["certificates", FERRIES, "--probe-tls", "portal.example"], "HOST:PORT"),
        (["certificates", FERRIES, "--probe-tls", "portal.example:99999"], "HOST:PORT"),
        (["entrypoints", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_wrong_use_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (ExitCode.WRONG_USE, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_only_what_is_in_scope_of_the_framework_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    scope = ["--scope", f"{FERRIES}/scope.yaml", "--only-in-scope", "--framework"]
    rows = rows_of(capsys, "encryption", FERRIES, *scope, "pci-dss-4.0.1")
    assert {row["namespace"] for row in rows} == {"booking", "tools"}
    rows = rows_of(capsys, "encryption", FERRIES, *scope, "gdpr")
    assert {row["namespace"] for row in rows} == {"booking", "crm", "tools"}


def test_an_entry_point_tells_its_listener_and_what_is_behind(capsys: pytest.CaptureFixture[str]) -> None:
    found = {(row["object"], row["host"]): row for row in rows_of(capsys, "entrypoints", FERRIES)}
    staff = found["booking/Ingress/staff", "staff.ferries.example"]
    assert staff["plaintext"] == "redirected"
    assert staff["tls"] == {
        "certificate": "booking/Secret/staff-tls",
        "minimum_version": "1.2",
        "mode": "terminate",
        "policy": None,
    }
    assert staff["hsts"] == "yes"
    assert staff["client_authentication"] == "optional"
    assert found["crm/Ingress/crm", "crm.ferries.example"]["plaintext"] == "open"


def test_a_reason_carries_the_parameters_that_its_sentence_is_made_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    [entry] = [r for r in rows_of(capsys, "entrypoints", PAYMENTS) if r["host"] == "partners.shop.example"]
    assert entry["reasons"][0] == {
        "code": "entry.istio.mode",
        "parameters": {"mode": "MUTUAL"},
        "message": "the server's TLS mode is MUTUAL",
    }


def test_csv_holds_no_formula_and_a_table_no_escape() -> None:
    table = AnswerTable("1 row", ("object", "host"), (("=cmd|' /C calc'!A0", "+1\x1b[31m\u202e[red]x"),))
    [header, row] = csv.reader(io.StringIO(table_csv(table).decode()))
    assert header == ["object", "host"]
    assert [cell[:2] for cell in row] == ["'=", "'+"]
    text = parts_text(table_parts([table])).decode()
    assert "[red]x" in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_an_output_that_cannot_be_written_is_told_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(capsys, "entrypoints", FERRIES, "--out", str(tmp_path))
    assert code == ExitCode.OUTPUT_NOT_WRITTEN
    assert "folder" in err


def test_certificates_tell_the_hosts_that_nothing_describes(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "certificates", FERRIES, "--at", "2026-09-30T00:00:00Z", "--format", "json")
    told = json.loads(out)
    assert told["evaluated_at"] == "2026-09-30T00:00:00Z"
    assert [(row["host"], row["named"], row["covered"]) for row in told["hosts"]] == [
        ("staff.ferries.example", "booking/Secret/staff-tls", "unknown"),
        ("crm.ferries.example", "crm/Secret/crm-tls", "unknown"),
    ]
    assert told["probes"] == []


# -- handshakes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[int]:
    """A server on this machine with a certificate of its own for localhost that expired long ago; its port."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    pem = certificate(tmp_path, start=start, end=start + timedelta(days=365))
    with listening(tls(server_context(pem))) as target:
        yield target.port


def test_a_probe_tells_what_is_served_even_if_nobody_should_trust_it(
    capsys: pytest.CaptureFixture[str], served: int
) -> None:
    arguments = ["--probe-tls", f"localhost:{served}", "--at", "2026-09-30T00:00:00Z", "--format", "json"]
    code, out, _ = run(capsys, "certificates", FERRIES, *arguments)
    assert code == ExitCode.DONE
    Draft202012Validator(json_schema("certificates")).validate(json.loads(out))
    [row] = json.loads(out)["probes"]
    assert (row["host"], row["error"], row["trusted"]) == ("localhost", None, "no")
    assert (row["names"], row["key"], row["not_after"]) == (["localhost"], "EC 256", "2020-12-31T00:00:00Z")
    assert [problem["code"] for problem in row["problems"]] == ["certificate.expired"]
    assert len(row["sha256"]) == 64


def test_a_probe_sees_a_name_that_the_certificate_does_not_cover(
    capsys: pytest.CaptureFixture[str], served: int
) -> None:
    code, out, _ = run(
        capsys, "certificates", FERRIES, "--probe-tls", f"127.0.0.1:{served}", "--format", "json"
    )
    [row] = json.loads(out)["probes"]
    assert code == ExitCode.DONE
    assert "certificate.host-not-covered" in [problem["code"] for problem in row["problems"]]


def test_a_host_that_does_not_answer_is_missing_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, out, err = run(
        capsys, "certificates", FERRIES, "--probe-tls", f"127.0.0.1:{port}", "--format", "json"
    )
    assert code == ExitCode.EVIDENCE_INCOMPLETE
    [row] = json.loads(out)["probes"]
    assert row["trusted"] == "unknown"
    assert row["error"]
    assert f"127.0.0.1:{port}" in err


def _pod(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "ports": [{"containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIP": "10.0.0.9"},
    }
