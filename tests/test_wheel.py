"""The built wheel in a clean environment: it brings its controls and templates, and does the main job."""

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "clusters" / "legacy-flannel"


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    return next(folder.glob("auditor-*.whl"))


def test_the_wheel_holds_controls_and_templates_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "auditor/_data/controls/default-deny-ingress.yaml" in names
    assert "auditor/_data/controls/frameworks/hipaa.yaml" in names
    assert "auditor/_data/report_templates/report.html.j2" in names
    assert not [name for name in names if name.startswith(("tests/", "samples/", "benchmarks/"))]


def test_the_installed_tool_audits_a_sample(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "-r", ROOT / "requirements" / "run.txt")
    run(*pip, "--no-deps", wheel)
    tool = tmp_path / "venv" / "bin" / "auditor"
    run(tool, "audit", SAMPLE, "--scope", SAMPLE / "scope.yaml", "--out", tmp_path / "out", cwd=tmp_path)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.html",
        "report.pdf",
        "results.json",
        "flow-register.csv",
    }
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results["controls"]) >= 16
