"""Each row of docs/bad-input.md, tried on the command line: exit code, one clear line, earlier output intact."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web}]}\n"
CLAIMS = (
    "format_version: 1\ncluster: {name: test, uid: u-1}\n"
    "complete:\n  - {resource: pods, namespaces: '*', command: kubectl get pods -A}\n"
)
CONTROL = (ROOT / "controls" / "default-deny-ingress.yaml").read_text()

Build = Callable[[Path], list[str]]
ROWS: dict[str, tuple[Build, str]] = {}


def row(name: str, says: str) -> Callable[[Build], Build]:
    """Register how a row's input is made, and what the message must say (a regular expression)."""

    def register(build: Build) -> Build:
        ROWS[name] = (build, says)
        return build

    return register


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


@row("broken YAML in the only file", r"pods\.yaml.*(line )?3")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml="apiVersion: v1\nkind: Pod\nmetadata: {name: [}\n")
    return [str(tmp / "in")]


@row("broken YAML in one file among readable ones", "")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD, other_yaml="a: [}\n", snapshot_yaml=CLAIMS)
    return [str(tmp / "in")]


@row("a YAML alias bomb", r"bomb\.yaml.*alias")
def _(tmp: Path) -> list[str]:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    write(tmp / "in", bomb_yaml=POD + "\n".join(lines) + "\n")
    return [str(tmp / "in")]


@row("a YAML document nested very deeply", r"deep\.yaml")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", deep_yaml=POD + "x: " + "[" * 50000 + "]" * 50000)
    return [str(tmp / "in")]


@row("one document of 100 MB", r"big\.yaml")
def _(tmp: Path) -> list[str]:
    (tmp / "in").mkdir()
    with (tmp / "in" / "big.yaml").open("w") as file:
        file.write(POD + "data:\n")
        for number in range(1024):
            file.write(f"  k{number}: " + "x" * 100_000 + "\n")
    return [str(tmp / "in")]


@row("a file that isn't UTF-8", r"pods\.yaml.*UTF-8")
def _(tmp: Path) -> list[str]:
    (tmp / "in").mkdir()
    (tmp / "in" / "pods.yaml").write_bytes(POD.encode("utf-16"))
    return [str(tmp / "in")]


@row("an empty folder", r"in: ")
def _(tmp: Path) -> list[str]:
    (tmp / "in").mkdir()
    return [str(tmp / "in")]


@row("a source that doesn't exist", r"nowhere")
def _(tmp: Path) -> list[str]:
    return [str(tmp / "nowhere")]


@row("two different objects with the same identity", r"a\.yaml.*b\.yaml|b\.yaml.*a\.yaml")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", a_yaml=POD, b_yaml=POD.replace("{name: web}]", "{name: other}]"))
    return [str(tmp / "in")]


@row("an object without metadata", r"pods\.yaml")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml="apiVersion: v1\nkind: Pod\nspec: {}\n")
    return [str(tmp / "in")]


@row("a snapshot.yaml with an unknown field", r"snapshot\.yaml:2: clustr")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD, snapshot_yaml="format_version: 1\nclustr: {}\ncomplete: []\n")
    return [str(tmp / "in")]


def with_scope(tmp: Path, scope: str) -> list[str]:
    write(tmp / "in", pods_yaml=POD, snapshot_yaml=CLAIMS)
    write(tmp, scope_yaml=scope)
    return [str(tmp / "in"), "--scope", str(tmp / "scope.yaml")]


@row(
    "a scope that names a namespace which isn't there",
    r"scope\.yaml:2: namespaces\[0\]\.name: .*did you mean shop",
)
def _(tmp: Path) -> list[str]:
    return with_scope(tmp, "namespaces:\n  - {name: shpo, class: in-scope}\n")


@row("a scope with an unknown field", r"scope\.yaml:1: namespace: unknown field; did you mean namespaces")
def _(tmp: Path) -> list[str]:
    return with_scope(tmp, "namespace:\n  - {name: shop, class: in-scope}\n")


@row(
    "a scope with a wrong host, endpoint id or port under `administrative_access`",
    r"scope\.yaml:2: administrative_access\[0\]\.ports\[0\]: expected a port or a range.*got 'ssh'",
)
def _(tmp: Path) -> list[str]:
    return with_scope(tmp, "administrative_access:\n  - {endpoint: shop/Pod/web, ports: [ssh]}\n")


@row("a scope that marks a host as administrative which nothing serves", "")
def _(tmp: Path) -> list[str]:
    return with_scope(tmp, "administrative_access: [{host: console.example}]\n")


@row("a scope of another cluster", r"scope\.yaml:1: cluster\.uid: .*u-1.*u-2")
def _(tmp: Path) -> list[str]:
    return with_scope(tmp, "cluster: {uid: u-2}\n")


@row(
    "a scope that gives a namespace two classes",
    r"scope\.yaml:1: namespaces: .*namespaces\[0\].*namespaces\[1\]",
)
def _(tmp: Path) -> list[str]:
    rules = "namespaces: [{glob: 's*', class: in-scope}, {glob: '*p', class: connected-to}]\n"
    return with_scope(tmp, rules)


def with_control(tmp: Path, text: str) -> list[str]:
    write(tmp / "in", pods_yaml=POD, snapshot_yaml=CLAIMS)
    write(tmp / "own", mine_yaml=text.replace("id: default-deny-ingress", "id: my-control", 1))
    return [str(tmp / "in"), "--controls", str(tmp / "own")]


@row("a control naming an unknown check", r"mine\.yaml:\d+: checks\[0\]\.check: no check 'no-such-check'")
def _(tmp: Path) -> list[str]:
    return with_control(tmp, CONTROL.replace("ingress-denied-by-default", "no-such-check"))


@row(
    "a control naming a requirement that isn't listed",
    r"mine\.yaml:\d+: requirements\[\d+\]\.requirement: '9\.9\.9'",
)
def _(tmp: Path) -> list[str]:
    return with_control(tmp, re.sub(r'requirement: "?1\.3\.1"?', 'requirement: "9.9.9"', CONTROL, count=1))


@row("a control with an unknown field", r"mine\.yaml:\d+: severty: unknown field; did you mean severity")
def _(tmp: Path) -> list[str]:
    return with_control(tmp, CONTROL + "\nseverty: high\n")


@row("a period that can't be read", r"expected a period as 2026-Q3")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD)
    return [str(tmp / "in"), "--period", "Q3"]


@row("a time that can't be read", r"--at: expected a time")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD)
    return [str(tmp / "in"), "--at", "yesterday"]


@row("an output folder that can't be written", r"out: the output can't be written")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD)
    (tmp / "file").write_text("in the way")
    return [str(tmp / "in"), "--out", str(tmp / "file" / "out")]


@row("a namespace named `<script>`", "")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD.replace("shop", '"<script>"'))
    return [str(tmp / "in"), "--format", "html,json"]


@row("an annotation of 300 kB", "")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD.replace("web,", f"web, annotations: {{note: '{'x' * 300_000}'}},"))
    return [str(tmp / "in"), "--format", "html,json"]


@row("a pod with hundreds of ports", "")
def _(tmp: Path) -> list[str]:
    ports = ", ".join(f"{{containerPort: {port}}}" for port in range(1, 301))
    write(tmp / "in", pods_yaml=POD.replace("[{name: web}]", f"[{{name: web, ports: [{ports}]}}]"))
    return [str(tmp / "in")]


@row("an unknown kind", "")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD, x_yaml="apiVersion: example.com/v1\nkind: Gizmo\nmetadata: {name: g}\n")
    return [str(tmp / "in")]


@row("a folder without snapshot.yaml", "")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD)
    return [str(tmp / "in")]


@row("--fail-on FAIL with a finding that fails", "")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD.replace("spec: {", "spec: {hostNetwork: true, "))
    return [str(tmp / "in"), "--fail-on", "FAIL"]


@row("a full disk", r"the output can't be written: No space left on device")
def _(tmp: Path) -> list[str]:
    write(tmp / "in", pods_yaml=POD)
    return [str(tmp / "in"), "--out", "/dev/full-disk"]


def documented() -> dict[str, int]:
    """The rows of the table in the docs: input and exit code."""
    text = (ROOT / "docs" / "bad-input.md").read_text()
    cells = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    return {first: int(code) for first, code, _ in cells}


def audit(arguments: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "auditor", "audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_the_docs_and_these_tests_have_the_same_rows() -> None:
    assert set(documented()) == set(ROWS)


@pytest.mark.parametrize("name", [name for name in ROWS if name != "a full disk"])
def test_a_row_of_the_table(name: str, tmp_path: Path) -> None:
    build, says = ROWS[name]
    arguments = build(tmp_path)
    out = tmp_path / "out"
    if "--out" not in arguments:
        out.mkdir()
        (out / "results.json").write_text("an earlier run")
        arguments += ["--out", str(out)]
    if "--format" not in arguments:
        arguments += ["--format", "json"]
    done = audit(arguments)
    assert done.returncode == documented()[name], done.stderr
    assert re.search(says, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode in (2, 4):
        assert all(line.startswith("auditor: ") for line in done.stderr.splitlines())
        assert not out.exists() or (out / "results.json").read_text() == "an earlier run"
    else:
        assert json.loads((out / "results.json").read_text())["format_version"] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can only be mounted by root")
def test_a_full_disk_leaves_the_earlier_run_as_it_was(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        (disk / "results.json").write_text("an earlier run")
        write(tmp_path / "in", pods_yaml=POD)
        done = audit([str(tmp_path / "in"), "--format", "json", "--out", str(disk)])
        assert done.returncode == documented()["a full disk"] == 4
        assert "No space left on device" in done.stderr
        assert [path.name for path in disk.iterdir()] == ["results.json"]
        assert (disk / "results.json").read_text() == "an earlier run"
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_hostile_namespace_is_text_in_the_report(tmp_path: Path) -> None:
    arguments = ROWS["a namespace named `<script>`"][0](tmp_path)
    audit([*arguments, "--out", str(tmp_path / "out")])
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.count("<script") == 1, "only the report's own filter, which the CSP allows by its hash"
    assert "&lt;script&gt;" in html


def test_the_unreadable_file_is_named_in_the_results(tmp_path: Path) -> None:
    arguments = ROWS["broken YAML in one file among readable ones"][0](tmp_path)
    audit([*arguments, "--format", "json", "--out", str(tmp_path / "out")])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [i["path"] for i in results["inputs"] if i["problem"]] == ["other.yaml"]
    assert not results["run"]["complete"]


def test_an_unknown_kind_is_listed_as_read_by_no_control(tmp_path: Path) -> None:
    arguments = ROWS["an unknown kind"][0](tmp_path)
    audit([*arguments, "--format", "json", "--out", str(tmp_path / "out")])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [(k["objects"], k["read"]) for k in results["kinds"] if k["kind"] == "Gizmo"] == [(1, False)]


def test_an_internal_error_is_exit_code_70_with_its_traceback_too() -> None:
    """Python's own 1 would say that --fail-on was met."""
    program = (
        "import auditor.cli.app as a\n"
        "def broken(**_): raise RuntimeError('x')\n"
        "a.app = broken\n"
        "a._STATE['debug'] = True\n"
        "a.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "Traceback" in done.stderr
