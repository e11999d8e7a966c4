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

from tests.deploy.chart import ROOT, SMALLEST, Object, one, render
from tests.deploy.pod_like import Ended, run_pod
from tests.live.cluster import Cluster
from tests.live.programs import cache_folder

BUILD = ROOT / "deploy" / "image" / "build.sh"
TAG = "localhost/auditor:tests"
_MOST_STORED = 8_000_000_000
_NEEDED = ("buildah", "mmdebstrap", "unshare", "setpriv")

pytestmark = pytest.mark.xdist_group("image")


class Image:
    """The built image: what `build.sh` printed and wrote, and its root filesystem."""

    def __init__(self, printed: str, out: Path, store: list[str], root: Path) -> None:
        self.printed, self.out, self.store, self.root = printed, out, store, root


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Skipped where it can't be built; in CI that is a failure."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if (missing or os.getuid() != 0 or sys.platform != "linux") and os.environ.get("CI") != "true":
        pytest.skip(f"the image is built by root on Linux; missing here: {', '.join(missing) or 'root'}")
    kept = cache_folder().parent / "image"
    out, store = tmp_path_factory.mktemp("image"), kept / "store"
    kept.mkdir(parents=True, exist_ok=True)
    if _size(store) > _MOST_STORED:
        shutil.rmtree(store)
    settings = {"STORE": str(store), "CACHE": str(kept), "OUT": str(out), "TAG": TAG}
    done = subprocess.run(
        ["sh", str(BUILD)], check=False, capture_output=True, text=True, env={**os.environ, **settings}
    )
    assert done.returncode == 0, done.stderr[-4000:]
    flags = ["--root", str(store), "--runroot", f"{store}.run", "--storage-driver", "overlay"]
    container = subprocess.check_output(["buildah", *flags, "from", TAG], text=True).strip()
    try:
        root = subprocess.check_output(["buildah", *flags, "mount", container], text=True).strip()
        yield Image(done.stdout, out, flags, Path(root))
    finally:
        subprocess.run(["buildah", *flags, "rm", container], check=True, capture_output=True)


def _size(folder: Path) -> int:
    if not folder.exists():
        return 0
    return int(subprocess.check_output(["du", "-xsb", str(folder)], text=True).split()[0])


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
    """etcd and an API server."""
    with Cluster(programs, tmp_path_factory.mktemp("cluster")) as started:
        yield started


def test_the_cronjobs_command_audits_a_cluster(
    image: Image, programs: Path, cluster: Cluster, tmp_path: Path
) -> None:
    """The command line and configuration of the chart, as its ServiceAccount, on a real API server."""
    cluster.kubectl("create", "namespace", "auditor")
    objects = render(programs, tmp_path, SMALLEST)
    access = [o for o in objects if o["kind"] in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")]
    cluster.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(access))
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    os.chown(evidence, 65532, 65532)
    ended = _run_daily(image, cluster, objects, evidence, tmp_path)
    assert ended.code == 0, ended.output
    (run,) = evidence.iterdir()
    record = json.loads((run / "run.json").read_text())
    assert (record["complete"], record["exit_code"]) == (True, 0), record["incomplete_kinds"]
    assert {"evidence.zip", "report.html", "report.pdf", "results.json"} <= {p.name for p in run.iterdir()}
    assert ended.peak < 512 * 1024**2
    print(f"peak of the run: {ended.peak / 1e6:.0f} MB")


def _run_daily(image: Image, cluster: Cluster, objects: list[Object], evidence: Path, folder: Path) -> Ended:
    account, config = folder / "account", folder / "config"
    account.mkdir()
    config.mkdir()
    (account / "token").write_text(cluster.service_account_token("auditor", "auditor"))
    (account / "ca.crt").write_bytes(cluster.authority.certificate.read_bytes())
    (account / "namespace").write_text("auditor")
    (config / "daily.yaml").write_text(one(objects, "ConfigMap", "auditor")["data"]["daily.yaml"])
    pod = one(objects, "CronJob", "auditor-daily")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return run_pod(
        image.root,
        [*container["command"], *container["args"]],
        read_only={"/etc/auditor": config, "/run/secrets/kubernetes.io/serviceaccount": account},
        writable={"/var/lib/auditor": evidence},
        environment={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(cluster.port)},
        log=folder / "log",
    )
