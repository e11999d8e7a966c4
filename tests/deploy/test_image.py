"""The container image, built by buildah on a Debian base made from packages, and run as a cluster runs it.

Its layers are kept in ~/.cache/auditor-tests/image, so that only what changed is built again.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.deploy.built_image import BUILD, NEEDED, TAG, Image, built_image
from tests.deploy.chart import ROOT, SMALLEST, laid_over, render
from tests.deploy.pod_like import Ended, run_daily
from tests.live.cluster import Cluster
from tests.store.conftest import KEY, SECRET, Gateway

pytestmark = pytest.mark.xdist_group("image")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Skipped where it can't be built; in CI that is a failure."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if (missing or os.getuid() != 0 or sys.platform != "linux") and os.environ.get("CI") != "true":
        pytest.skip(f"the image is built by root on Linux; missing here: {', '.join(missing) or 'root'}")
    with built_image(tmp_path_factory.mktemp("image")) as built:
        yield built


def test_it_runs_without_rights_root_or_home(image: Image) -> None:
    """`try.sh` ran it as user 65532, on a read-only root, without network: see its own checks."""
    assert image.printed.startswith("auditor 0.")
    assert (image.out / "report.pdf").read_bytes().startswith(b"%PDF-1.7")


def test_its_fonts_are_those_of_the_report(image: Image) -> None:
    if shutil.which("pdffonts") is None:
        pytest.skip("pdffonts isn't installed")
    fonts = subprocess.check_output(["pdffonts", str(image.out / "report.pdf")], text=True)
    names = {line.split()[0].partition("+")[2] for line in fonts.splitlines()[2:]}
    assert {"Noto-Sans", "Noto-Sans-Bold"} <= names
    assert all(name.startswith("Noto-Sans") for name in names)
    assert list(image.root.glob("usr/share/fonts/opentype/noto/NotoSansCJK-*.ttc"))


def test_it_finds_what_the_checkout_finds(image: Image, tmp_path: Path) -> None:
    sample = ROOT / "samples" / "clusters" / "payments-istio"
    command = [sys.executable, "-m", "auditor", "audit", str(sample), "--scope", str(sample / "scope.yaml")]
    flags = ["--at", "2026-01-01T00:00:00Z", "--format", "json", "--out", str(tmp_path), "--quiet"]
    subprocess.run([*command, *flags], check=True, cwd=ROOT)
    here = json.loads((tmp_path / "results.json").read_text())
    there = json.loads((image.out / "results.json").read_text())
    assert [key for key in here if here[key] != there[key]] == ["tool"]  # the command line


def test_it_holds_no_compiler_no_installer_and_nothing_setuid(image: Image) -> None:
    folders = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "opt/auditor/bin")
    names = {path.name for folder in folders for path in (image.root / folder).glob("*")}
    unwanted = re.compile(
        r"(.*-)?(gcc|g\+\+|cc|c\+\+|cpp|as|ld|clang|make|go|rustc)(-\d+)?|apt.*|pip.*|perl.*|su|sudo|mount"
    )
    assert sorted(filter(unwanted.fullmatch, names)) == []
    raised = [p for p in image.root.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o6000]
    assert raised == []


def test_its_configuration(image: Image) -> None:
    shown = subprocess.check_output(["buildah", *image.store, "inspect", "--type", "image", TAG], text=True)
    config = json.loads(shown)["OCIv1"]["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/opt/auditor/bin/auditor"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "auditor"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert re.fullmatch(r".+@sha256:[0-9a-f]{64}", labels["org.opencontainers.image.base.name"])


def test_its_bill_of_materials_names_every_package(image: Image) -> None:
    text = (image.out / "auditor.cdx.json").read_text()
    assert (image.root / "usr/share/sbom/auditor.cdx.json").read_text() == text
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = {component["purl"].partition("?")[0] for component in json.loads(text)["components"]}
    status = (image.root / "var/lib/dpkg/status").read_text()
    paragraphs = [p for p in status.split("\n\n") if re.search(r"^Status: .* installed$", p, re.M)]
    debian = {_purl(p) for p in paragraphs}
    python = {
        f"pkg:pypi/{m.group(1).lower().replace('_', '-').replace('.', '-')}@{m.group(2)}"
        for path in image.root.glob("opt/auditor/lib/python3*/site-packages/*.dist-info")
        if (m := re.fullmatch(r"(.+)-([^-]+)\.dist-info", path.name))
    }
    assert "pkg:pypi/weasyprint" in {purl.partition("@")[0] for purl in python}
    assert {_plain(purl) for purl in found} == {_plain(purl) for purl in debian | python}


def _purl(paragraph: str) -> str:
    name, version = (re.search(rf"^{f}: (.+)$", paragraph, re.M) for f in ("Package", "Version"))
    assert name is not None
    assert version is not None
    return f"pkg:deb/debian/{name[1]}@{version[1]}"


def _plain(purl: str) -> str:
    """Without percent-encoding, and with Python names normalised."""
    text = purl.replace("%2B", "+").replace("%3A", ":").replace("%7E", "~")
    return text.replace(".", "-") if text.startswith("pkg:pypi/") else text


def test_a_base_without_a_digest_is_refused(tmp_path: Path) -> None:
    for base in ("debian:13-slim", "docker.io/library/debian:latest"):
        done = subprocess.run(
            ["sh", str(BUILD)],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "BASE": base, "OUT": str(tmp_path), "ENGINE": "true"},
        )
        assert (done.returncode, base in done.stderr) == (2, True)


def test_the_base_of_the_containerfile_is_a_digest() -> None:
    text = (ROOT / "deploy" / "image" / "Containerfile").read_text()
    assert re.findall(r"^ARG BASE=(.*)$", text, re.M)
    assert all(
        re.fullmatch(r".+@sha256:[0-9a-f]{64}", base) for base in re.findall(r"^ARG BASE=(.*)$", text, re.M)
    )
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) == {"${BASE}", "system", "build", "scratch"}


@pytest.fixture(scope="module")
def cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """etcd and an API server, with the ServiceAccount and the roles of the chart."""
    with Cluster(programs, tmp_path_factory.mktemp("cluster")) as started:
        started.kubectl("create", "namespace", "auditor")
        objects = render(programs, tmp_path_factory.mktemp("values"), SMALLEST)
        access = [o for o in objects if o["kind"] in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")]
        started.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(access))
        yield started


WITH_PDF = laid_over(SMALLEST, {"daily": {"formats": ["html", "json", "pdf"]}})


def _check(run: Path, ended: Ended) -> None:
    record = json.loads((run / "run.json").read_text())
    assert (record["complete"], record["exit_code"]) == (True, 0), record["incomplete_kinds"]
    assert {"evidence.zip", "report.html", "report.pdf", "results.json"} <= {p.name for p in run.iterdir()}
    assert ended.peak < 512 * 1024**2


def test_the_cronjobs_command_audits_a_cluster(
    image: Image, programs: Path, cluster: Cluster, tmp_path: Path
) -> None:
    """The command line and configuration of the chart, as its ServiceAccount, on a real API server."""
    ended = run_daily(image.root, cluster, render(programs, tmp_path, WITH_PDF), tmp_path)
    assert ended.code == 0, ended.output
    (run,) = (tmp_path / "evidence").iterdir()
    _check(run, ended)


def test_the_cronjobs_command_fills_a_bucket(
    image: Image, programs: Path, cluster: Cluster, gateway: Gateway, tmp_path: Path
) -> None:
    """A real S3 gateway; the credentials are a file of the Secret that the chart mounts."""
    (gateway.root / "evidence").mkdir()
    bucket = {"url": "s3://evidence/one", "endpointUrl": gateway.url, "region": "us-east-1"}
    change = {
        "storage": {"bucket": {**bucket, "credentialsSecret": "s3"}},
        "bucket": {"cidrs": ["203.0.113.7/32"]},
    }
    objects = render(programs, tmp_path, laid_over(WITH_PDF, change))
    secret = f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    ended = run_daily(image.root, cluster, objects, tmp_path, {"credentials/bucket/credentials": secret})
    assert ended.code == 0, ended.output
    assert SECRET not in ended.output
    (run,) = (p for p in (gateway.root / "evidence" / "one").iterdir() if p.is_dir())
    _check(run, ended)
