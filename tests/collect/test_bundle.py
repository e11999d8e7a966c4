"""Bundle format 1: the same bytes for the same evidence, read back as it was, refused when anything was changed."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.collect.bundle import write_bundle
from auditor.collect.bundle_format import BundleRequest
from auditor.collect.sources import read_sources
from auditor.model.evidence import Completeness, Gap, Redaction, Snapshot
from auditor.model.kinds import POD, kind_key
from auditor.model.objects import ObjectId
from auditor.model.user_error import UserError

GRPC = kind_key("gateway.networking.k8s.io", "GRPCRoute")
POLICY = kind_key("networking.k8s.io", "NetworkPolicy")
OBJECTS = """apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop}
spec: {containers: [{name: app, env: [{name: DB, value: s3cr3t}, {name: WEAVE_PASSWORD, value: ""}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
---
apiVersion: example.org/v1
kind: Widget
metadata: {name: w}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {k: czNjcjN0}
"""
SNAPSHOT = """format_version: 1
cluster: {name: shop, uid: "1"}
collected_at: 2026-09-30T02:00:00Z
collected_by: jo
complete:
- {resource: pods, namespaces: "*", command: kubectl get pods -A}
- {resource: configmaps, namespaces: [istio-system], selector: metadata.name=istio, command: kubectl get cm}
"""


def read(*sources: Path) -> Snapshot:
    return read_sources([str(source) for source in sources], stdin=io.BytesIO())


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "objects.yaml").write_text(OBJECTS)
    (folder / "snapshot.yaml").write_text(SNAPSHOT)
    found = read(folder)
    gaps = {
        GRPC: Gap(GRPC, Completeness.NOT_INSTALLED, "not served"),
        POLICY: Gap(POLICY, Completeness.FORBIDDEN, "403"),
    }
    return replace(found, gaps=gaps)


@pytest.fixture
def bundle(tmp_path: Path, snapshot: Snapshot) -> Path:
    path = tmp_path / "evidence.zip"
    write_bundle(path, snapshot, scope_text="format_version: 1\n")
    return path


def test_what_was_written_is_read(bundle: Path, snapshot: Snapshot) -> None:
    found = read(bundle)
    assert [(obj.id, obj.evidence_id) for obj in found.objects] == [
        (obj.id, obj.evidence_id) for obj in snapshot.objects
    ]
    assert found.claims == snapshot.claims
    assert found.gaps == snapshot.gaps
    assert found.redactions == snapshot.redactions
    assert (found.cluster, found.collected_at, found.collected_by) == (
        snapshot.cluster,
        "2026-09-30T02:00:00Z",
        "jo",
    )
    assert found.objects[-1].source == "evidence.zip/objects/example.org/v1/widget/0001.json#1[0]"


def test_a_broken_file_beside_it_leaves_nothing_complete(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    found = read(bundle, tmp_path / "broken.yaml")
    assert {found.completeness(key).state for key in (GRPC, POLICY, POD)} == {
        Completeness.PARTIAL,
        Completeness.FORBIDDEN,
    }


def test_what_is_in_it(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        infos = archive.infolist()
        manifest = json.loads(archive.read("manifest.json"))
        pods = archive.read("objects/core/v1/pods/0001.json")
    assert [info.filename for info in infos] == [
        "manifest.json",
        "objects/core/v1/pods/0001.json",
        "objects/core/v1/secret/0001.json",
        "objects/example.org/v1/widget/0001.json",
        "requests.json",
        "scope.yaml",
    ]
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert b"s3cr3t" not in pods
    assert manifest["format_version"] == 1
    entry = next(entry for entry in manifest["files"] if entry["name"] == "objects/core/v1/pods/0001.json")
    digest = hashlib.sha256(pods).hexdigest()
    assert entry == {"name": entry["name"], "size": len(pods), "sha256": digest, "completeness": "complete"}


def test_the_same_evidence_gives_the_same_bytes_whatever_the_order(
    tmp_path: Path, bundle: Path, snapshot: Snapshot
) -> None:
    turned = replace(
        snapshot,
        objects=tuple(reversed(snapshot.objects)),
        claims=tuple(reversed(snapshot.claims)),
        gaps=dict(reversed(list(snapshot.gaps.items()))),
        redactions=tuple(reversed(snapshot.redactions)),
    )
    write_bundle(tmp_path / "other.zip", turned, scope_text="format_version: 1\n")
    assert (tmp_path / "other.zip").read_bytes() == bundle.read_bytes()


def test_writing_what_was_read_gives_the_same_bytes(tmp_path: Path, bundle: Path) -> None:
    write_bundle(tmp_path / "again.zip", read(bundle), scope_text="format_version: 1\n")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_many_objects_are_stored_in_pages(tmp_path: Path) -> None:
    items = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{n:04}"}} for n in range(1001)]
    (tmp_path / "pods.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    write_bundle(tmp_path / "b.zip", read(tmp_path / "pods.json"))
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        pages = [name for name in archive.namelist() if name.startswith("objects/")]
        sizes = [len(json.loads(archive.read(name))["items"]) for name in pages]
    assert pages == [f"objects/core/v1/pods/000{n}.json" for n in (1, 2, 3)]
    assert sizes == [500, 500, 1]
    assert len(read(tmp_path / "b.zip").objects) == 1001


def test_groups_that_look_alike_do_not_share_a_file(tmp_path: Path) -> None:
    text = "\n---\n".join(
        f"apiVersion: {group}/v1\nkind: W\nmetadata: {{name: {group}}}"
        for group in ("A.b", "a.b", "a_b", "core")
    )
    (tmp_path / "x.yaml").write_text(text)
    write_bundle(tmp_path / "b.zip", read(tmp_path / "x.yaml"))
    assert sorted(obj.name for obj in read(tmp_path / "b.zip").objects) == ["A.b", "a.b", "a_b", "core"]


def rebuilt(bundle: Path, change: Callable[[dict[str, bytes]], None], *, manifest: bool = False) -> Path:
    """The bundle with other contents; with a manifest that fits them if `manifest`."""
    with zipfile.ZipFile(bundle) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    if manifest:
        files = [
            {
                "name": name,
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "completeness": None,
            }
            for name, data in sorted(contents.items())
            if name != "manifest.json"
        ]
        contents["manifest.json"] = json.dumps({"format_version": 1, "files": files}).encode()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return bundle


PODS = "objects/core/v1/pods/0001.json"


def put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        contents[name] = data

    return change


def edit(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        assert old in contents[name]
        contents[name] = contents[name].replace(old, new)

    return change


TAMPERED: list[tuple[str, Callable[[dict[str, bytes]], None], bool, str]] = [
    ("an object of the same length", edit(PODS, b'"shop"', b'"shoq"'), False, f"{PODS}: expected sha256"),
    ("an object of another length", edit(PODS, b'"shop"', b'"x"'), False, f"{PODS}: expected"),
    ("what was asked for", edit("requests.json", b"jo", b"jx"), False, "requests.json: expected sha256"),
    (
        "a file taken out",
        lambda contents: contents.pop(PODS) and None,
        False,
        "is in the manifest but not in the bundle",
    ),
    ("a file put in", put("objects/core/v1/pods/0002.json", b"{}"), False, "is not in the manifest"),
    (
        "no manifest",
        lambda contents: contents.pop("manifest.json") and None,
        False,
        "expected manifest.json in the bundle",
    ),
    (
        "no request record",
        lambda contents: contents.pop("requests.json") and None,
        True,
        "expected requests.json in the bundle",
    ),
    ("a path out of the folder", put("../../etc/cron.d/x", b"x"), True, "is not a file of a bundle"),
    ("a path that goes up within", put("objects/core/../../x.json", b"x"), True, "is not a file of a bundle"),
    ("an absolute path", put("/etc/passwd", b"x"), True, "is not a file of a bundle"),
    ("a page that is no list", put(PODS, b"5"), True, f"{PODS}: expected a list of objects"),
    ("another file", put("README.md", b"x"), True, "is not a file of a bundle"),
    (
        "a file that expands beyond the limit",
        put(PODS, b" " * (65 * 1024 * 1024)),
        True,
        "expand to more than a bundle may hold",
    ),
    ("a manifest that is no JSON", put("manifest.json", b"{"), False, "manifest.json:1: expected JSON"),
    (
        "another format version",
        edit("manifest.json", b'"format_version":1', b'"format_version":2'),
        False,
        "manifest.json: format_version",
    ),
    (
        "an unknown field in the request record",
        edit("requests.json", b'"requests":', b'"x":1,"requests":'),
        True,
        "requests.json: x",
    ),
    (
        "a request record that is too deep",
        put("requests.json", b"[" * 100_000),
        True,
        "requests.json:1: expected JSON",
    ),
]


@pytest.mark.parametrize(
    ("change", "manifest", "message"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED]
)
def test_a_changed_bundle_is_refused_in_one_line(
    bundle: Path, change: Callable[[dict[str, bytes]], None], manifest: bool, message: str
) -> None:
    rebuilt(bundle, change, manifest=manifest)
    with pytest.raises(UserError) as caught:
        read(bundle)
    assert str(caught.value).startswith(f"{bundle}: ")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_compression_that_no_bundle_has_is_refused(bundle: Path, method: int) -> None:
    """LZMA's memory is the sender's choice."""
    with zipfile.ZipFile(bundle) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(bundle, "w", method) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    with pytest.raises(UserError, match="expected files that are stored or deflated"):
        read(bundle)


@pytest.mark.parametrize(("items", "fits"), [(1, False), (2, True), (3, False)])
def test_objects_are_held_against_the_count_of_the_list(
    tmp_path: Path, snapshot: Snapshot, items: int, fits: bool
) -> None:
    """The snapshot holds two Pods."""
    assert sum(obj.key == POD for obj in snapshot.objects) == 2
    listed = BundleRequest(
        group="",
        kind="Pod",
        resource="pods",
        command="GET /api/v1/pods",
        items=items,
        completeness=Completeness.COMPLETE,
    )
    write_bundle(tmp_path / "b.zip", snapshot, requests=[listed])
    if fits:
        assert read(tmp_path / "b.zip").objects
        return
    with pytest.raises(UserError, match=rf"requests\.json counts {items} of Pod, the bundle holds 2"):
        read(tmp_path / "b.zip")


def test_one_name_twice_is_refused(bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(PODS, b"{}")
    with pytest.raises(UserError, match="twice"):
        read(bundle)


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_is_refused_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, position: float, bit: int
) -> None:
    """Bits in what a zip reader doesn't look at (attributes, dates) change nothing; all others are found."""
    folder = tmp_path_factory.mktemp("flip")
    (folder / "objects.yaml").write_text(OBJECTS)
    write_bundle(folder / "b.zip", read(folder / "objects.yaml"))
    before = [(obj.id, obj.evidence_id) for obj in read(folder / "b.zip").objects]
    data = bytearray((folder / "b.zip").read_bytes())
    data[int(position * len(data))] ^= 1 << bit
    (folder / "b.zip").write_bytes(data)
    try:
        after: Any = [(obj.id, obj.evidence_id) for obj in read(folder / "b.zip").objects]
    except UserError:
        return
    assert after == before


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_bundle_that_breaks_off_is_refused(bundle: Path, share: float) -> None:
    data = bundle.read_bytes()
    bundle.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match="expected a bundle"):
        read(bundle)


def test_a_bundle_that_cannot_be_written_is_exit_code_4_and_leaves_the_old_one(
    tmp_path: Path, bundle: Path, snapshot: Snapshot
) -> None:
    before = bundle.read_bytes()
    with pytest.raises(UserError) as caught:
        write_bundle(tmp_path / "missing" / "b.zip", snapshot)
    assert caught.value.exit_code == 4
    folder = tmp_path / "folder.zip"
    folder.mkdir()
    with pytest.raises(UserError, match="the bundle can't be written") as caught:
        write_bundle(folder, snapshot)
    assert caught.value.exit_code == 4
    assert bundle.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_a_foreign_bundle_should_have_dropped_is_dropped(bundle: Path) -> None:
    item = b'{"apiVersion":"v1","data":{"k":"czNjcjN0"},"kind":"Secret","metadata":{"name":"s"}}'
    secret = b'{"apiVersion":"v1","items":[' + item + b'],"kind":"List"}'
    rebuilt(bundle, put("objects/core/v1/secret/0001.json", secret), manifest=True)
    assert "czNjcjN0" not in str([obj.body for obj in read(bundle).objects])


def rewritten(bundle: Path, path: Path, requests: dict[str, Any]) -> Path:
    """The bundle with other records of requests, and a manifest to match."""
    with zipfile.ZipFile(bundle) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(contents["manifest.json"])
    contents["requests.json"] = json.dumps(requests).encode()
    entry = next(entry for entry in manifest["files"] if entry["name"] == "requests.json")
    entry["size"] = len(contents["requests.json"])
    entry["sha256"] = hashlib.sha256(contents["requests.json"]).hexdigest()
    contents["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def requests_in(bundle: Path) -> dict[str, Any]:
    with zipfile.ZipFile(bundle) as archive:
        return dict(json.loads(archive.read("requests.json")))


def test_objects_redacted_alike_share_a_record(tmp_path: Path, snapshot: Snapshot) -> None:
    def drops(name: str, *reasons: str) -> list[Redaction]:
        return [
            Redaction(ObjectId("", "Pod", "shop", name), (f"spec.{reason}",), reason) for reason in reasons
        ]

    redactions = (*drops("a", "env"), *drops("b", "args", "env"), *drops("c", "env", "args"))
    write_bundle(tmp_path / "evidence.zip", replace(snapshot, redactions=redactions))
    args, env = ({"fields": [f"spec.{reason}"], "reason": reason} for reason in ("args", "env"))
    assert requests_in(tmp_path / "evidence.zip")["redacted"] == [
        {"group": "", "kind": "Pod", "dropped": [args, env], "objects": {"shop": ["b", "c"]}},
        {"group": "", "kind": "Pod", "dropped": [env], "objects": {"shop": ["a"]}},
    ]


def test_records_of_single_redactions_as_earlier_bundles_have_them_are_read(
    tmp_path: Path, bundle: Path, snapshot: Snapshot
) -> None:
    requests = requests_in(bundle)
    del requests["redacted"]
    requests["redactions"] = [
        {**entry.object._asdict(), "fields": list(entry.fields), "reason": entry.reason}
        for entry in snapshot.redactions
    ]
    assert read(rewritten(bundle, tmp_path / "earlier.zip", requests)).redactions == snapshot.redactions


def test_the_redactions_of_100_000_pods_are_read_back(tmp_path: Path, snapshot: Snapshot) -> None:
    reasons = {
        "environment variables that are not evidence": ("spec.containers[0].env[LOG_LEVEL]",),
        "the API server's bookkeeping": ("metadata.managedFields",),
        "commands and headers of probes and hooks": ("spec.containers[0].livenessProbe.exec",),
    }
    names = [f"deployment-with-a-long-name-{number:06}-7d9c5b6f4-x2x9z" for number in range(100_000)]
    redactions = tuple(
        Redaction(ObjectId("", "Pod", f"namespace-{number % 200}", name), fields, reason)
        for number, name in enumerate(names)
        for reason, fields in reasons.items()
    )
    path = tmp_path / "evidence.zip"
    write_bundle(path, replace(snapshot, redactions=redactions))
    assert set(read(path).redactions) == set(redactions)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("requests.json").file_size < 16 * 1024 * 1024
