"""veraPDF, the validator of PDF/A and PDF/UA: fetched once through Maven, kept outside the tree."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ARTIFACT = "org.verapdf.apps:cli:1.30.2"
SHA256 = "287cc9c9757f99dcff4a2d39b68268245b48103fb6af443162d5a29df2afa332"
_JAR = "cli-1.30.2.jar"
_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""A run is too short for the optimising compiler: without it half the CPU time."""


def verapdf_jar() -> Path:
    """The validator; the test is skipped with the reason where it can't be had, and fails on a jar that isn't it."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"veraPDF needs {program}, which is not installed")
    cache = Path(os.environ.get("AUDITOR_TEST_CACHE") or Path.home() / ".cache" / "auditor-tests")
    jar = cache / _JAR
    if not jar.exists():
        _fetch(jar)
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == SHA256, f"{jar} is not {ARTIFACT}: remove it"
    return jar


def _fetch(jar: Path) -> None:
    folder = jar.parent / f".{jar.name}-{os.getpid()}"
    command = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"Maven could not fetch {ARTIFACT}: {(done.stdout + done.stderr)[-200:]}")
    (folder / _JAR).replace(jar)
    shutil.rmtree(folder)


def verdicts(jar: Path, pdf: Path) -> dict[str, str]:
    """What each profile that the file claims says, as `{"3a": "PASS", "ua1": "PASS"}`; failed rules are added to FAIL."""
    command = [
        "java",
        *_QUICK,
        "-jar",
        str(jar),
        "--loglevel",
        "1",
        "-f",
        "0",
        "--format",
        "text",
        "-v",
        str(pdf),
    ]
    told = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False).stdout
    found: dict[str, str] = {}
    profile = ""
    for line in told.splitlines():
        words = line.split()
        if len(words) > 2 and str(pdf) in words:
            profile, found[words[-1]] = words[-1], words[0]
        elif words and profile:
            found[profile] += f" {words[-1]}"
    return found
