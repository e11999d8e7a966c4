"""SOURCE to Snapshot: files, folders, standard input; what is named, what is incomplete, what stops the run."""

import io
import os
from pathlib import Path

import pytest

from auditor.collect.sources import read_sources
from auditor.model.evidence import ANY_KIND, Completeness, Snapshot
from auditor.model.kinds import KNOWN_KINDS, NAMESPACE, POD, kind_key
from auditor.model.user_error import UserError

POLICY = kind_key("networking.k8s.io", "NetworkPolicy")
SNAPSHOT = """format_version: 1
cluster: {name: shop, uid: "1"}
collected_at: 2026-09-30T02:00:00Z
collected_by: jo
complete:
- {resource: pods, namespaces: "*", command: kubectl get pods -A}
- {group: networking.k8s.io, resource: networkpolicies, namespaces: [a], command: kubectl get netpol -n a}
"""


def pod(name: str, namespace: str = "a", labels: str = "{}") -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {labels}}}\n"
    )


def write(folder: Path, **files: str | bytes) -> None:
    """Files by name; `__` stands for `/` and `_dot_` for a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def read(*sources: Path | str, stdin: bytes = b"", assume: str | None = None) -> Snapshot:
    return read_sources([str(source) for source in sources], assume_complete=assume, stdin=io.BytesIO(stdin))


def names(snapshot: Snapshot) -> list[str]:
    return [obj.name for obj in snapshot.objects]


def problems(snapshot: Snapshot) -> dict[str, str]:
    return {entry.path: entry.problem for entry in snapshot.inputs if entry.problem}


def test_a_folder_is_read_recursively_and_in_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        b_dot_yaml=pod("two"),
        a__x_dot_yml=pod("one"),
        c_dot_JSON='{"apiVersion":"v1","kind":"Pod","metadata":{"name":"three"}}',
    )
    write(tmp_path, README_dot_md="# not read", _dot_git__config_dot_yaml="[", _dot_hidden_dot_yaml="[")
    snapshot = read(tmp_path)
    assert [(entry.path, entry.objects) for entry in snapshot.inputs] == [
        ("a/x.yml", 1),
        ("b.yaml", 1),
        ("c.JSON", 1),
    ]
    assert sorted(obj.source for obj in snapshot.objects) == ["a/x.yml#1", "b.yaml#1", "c.JSON#1"]
    assert snapshot.gaps == {}


def test_size_and_hash_of_each_file_are_recorded(tmp_path: Path) -> None:
    """The sha256 of 'apiVersion: v1' and the lines after it, by sha256sum."""
    (tmp_path / "p.yaml").write_bytes(b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n")
    (entry,) = read(tmp_path / "p.yaml").inputs
    assert (entry.path, entry.size) == ("p.yaml", 45)
    assert entry.sha256 == "e8ced7892d00ec80eb6ad4da37a7d4425a739056257beaaac755468955609a05"


def test_standard_input_is_read_beside_files(tmp_path: Path) -> None:
    write(tmp_path, a_dot_yaml=pod("file"))
    snapshot = read(
        tmp_path,
        "-",
        stdin=b'{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"in"}}]}',
    )
    assert sorted(obj.source for obj in snapshot.objects) == ["-#1[0]", f"{tmp_path.name}/a.yaml#1"]


def test_files_of_one_name_from_two_folders_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, one__x__pods_dot_yaml=pod("a"), two__x__pods_dot_yaml=pod("b"))
    snapshot = read(tmp_path / "one" / "x", tmp_path / "two" / "x")
    assert [entry.path for entry in snapshot.inputs] == ["x/pods.yaml", "x/pods.yaml(2)"]


def test_a_file_that_is_given_twice_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, a_dot_yaml=pod("a"))
    assert len(read(tmp_path, tmp_path / "a.yaml").inputs) == 1


def test_a_file_name_that_is_not_utf8_can_be_reported(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/p\xff.yaml"
    with open(name, "w") as file:
        file.write(pod("a"))
    (entry,) = read(tmp_path).inputs
    assert entry.path == "p\N{REPLACEMENT CHARACTER}.yaml"
    assert entry.objects == 1


def test_symlinked_files_are_read_and_loops_end(tmp_path: Path) -> None:
    write(tmp_path, real__pod_dot_yaml=pod("a"))
    (tmp_path / "real" / "again").symlink_to(tmp_path)
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real" / "pod.yaml")
    snapshot = read(tmp_path)
    assert names(snapshot) == ["a"]
    assert len(snapshot.inputs) == 1


def test_a_mounted_config_map_is_read(tmp_path: Path) -> None:
    write(tmp_path, _dot__dot_data__pods_dot_yaml=pod("a"))
    (tmp_path / "pods.yaml").symlink_to("..data/pods.yaml")
    assert names(read(tmp_path)) == ["a"]


UNREADABLE = [
    ("a pipe", lambda path: os.mkfifo(path), "not a regular file"),
    ("a device", lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    ("a symlink to nothing", lambda path: path.symlink_to("/nonexistent/x"), "No such file"),
    ("a symlink to itself", lambda path: path.symlink_to(path), "symbolic links"),
]


@pytest.mark.parametrize(
    ("make", "message"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_what_cannot_be_read_is_named_and_leaves_everything_incomplete(
    tmp_path: Path, make, message: str
) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path, a_dot_yaml=pod("a"), snapshot_dot_yaml=SNAPSHOT)
    make(tmp_path / "b.yaml")
    snapshot = read(tmp_path)
    assert message in problems(snapshot)["b.yaml"]
    assert snapshot.completeness(POD).state is Completeness.PARTIAL


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    write(tmp_path, a_dot_yaml=pod("a"), b_dot_yaml=pod("b"))
    (tmp_path / "b.yaml").chmod(0)
    assert "Permission denied" in problems(read(tmp_path))["b.yaml"]


BROKEN: list[tuple[str, str, str | bytes, str]] = [
    ("broken YAML", "b.yaml", "a: 1\nb: [\n", "b.yaml:3: expected YAML"),
    ("broken JSON", "b.json", '{"a": [1,]}', "b.json:1: expected JSON"),
    (
        "an alias bomb",
        "b.yaml",
        "\n".join(
            ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
            + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
        ),
        "aliases expand to more than",
    ),
    (
        "100 MB of one document",
        "b.yaml",
        b"a: " + b"x" * 100_000_000,
        "b.yaml:1: one document of 95 MiB, larger than the limit of 64 MiB",
    ),
    (
        "100 MB of one JSON document",
        "b.json",
        b'{"a": "' + b"x" * 100_000_000 + b'"}',
        "one document of 95 MiB",
    ),
    ("a file that is not UTF-8", "b.yaml", b"a: 1\nb: \xe9\n", "b.yaml:2: expected UTF-8 text"),
    ("UTF-16", "b.yaml", "kind: Pod".encode("utf-16"), "this is UTF-16"),
    (
        "an object without apiVersion in a List",
        "b.yaml",
        "apiVersion: v1\nkind: List\nitems: [{kind: Pod}]\n",
        "items[0]: expected a Kubernetes object",
    ),
]


@pytest.mark.parametrize(
    ("name", "text", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_one_broken_file_is_named_and_the_run_goes_on_with_nothing_complete(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    write(tmp_path, a_dot_yaml=pod("a"), snapshot_dot_yaml=SNAPSHOT)
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    snapshot = read(tmp_path)
    assert message in problems(snapshot)[name]
    assert names(snapshot) == ["a"]
    assert message in snapshot.gaps[ANY_KIND].cause
    assert {snapshot.completeness(key).state for key in KNOWN_KINDS} == {Completeness.PARTIAL}


@pytest.mark.parametrize(
    ("name", "text", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_broken_file_alone_is_nothing_usable(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        read(tmp_path / name)
    assert message.removeprefix(name) in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.exit_code == 2


STOPS = [
    ("a source that isn't there", ["nowhere"], "nowhere: no such file or folder"),
    ("an empty folder", ["empty"], "empty: no .yaml, .yml, .json files in this folder"),
    ("a folder of other files", ["other"], "other: no .yaml, .yml, .json files"),
    ("Helm values alone", ["values.yaml"], "not a Kubernetes object: document 1 has no apiVersion and kind"),
    (
        "an object without metadata alone",
        ["bare.yaml"],
        "bare.yaml:1: document 1: Pod: metadata: expected a mapping with a name",
    ),
    ("an empty file", ["none.yaml"], "no Kubernetes objects in the input (none.yaml)"),
    ("an empty List, which claims nothing", ["list.json"], "no Kubernetes objects in the input (list.json)"),
]


@pytest.mark.parametrize(("sources", "message"), [row[1:] for row in STOPS], ids=[row[0] for row in STOPS])
def test_nothing_usable_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: list[str], message: str
) -> None:
    write(tmp_path, other__README_dot_md="x", values_dot_yaml="replicas: 2\n", none_dot_yaml="# nothing\n")
    write(
        tmp_path,
        bare_dot_yaml="apiVersion: v1\nkind: Pod\n",
        list_dot_json='{"apiVersion":"v1","kind":"List","items":[]}',
    )
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        read(*sources)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.exit_code == 2


def test_files_that_are_no_objects_are_listed_without_a_gap(tmp_path: Path) -> None:
    write(tmp_path, a_dot_yaml=pod("a"), values_dot_yaml="replicas: 2\n", snapshot_dot_yaml=SNAPSHOT)
    write(
        tmp_path,
        kustomization_dot_yaml="apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
    )
    snapshot = read(tmp_path)
    assert set(problems(snapshot)) == {"values.yaml", "kustomization.yaml"}
    assert snapshot.completeness(POD).state is Completeness.COMPLETE


@pytest.mark.parametrize(("version", "known"), [("v1", True), ("v1beta1", True), ("v9", False)])
def test_a_version_that_is_not_known_is_named_and_makes_its_kind_incomplete(
    tmp_path: Path, version: str, known: bool
) -> None:
    mode = f"apiVersion: security.istio.io/{version}\nkind: PeerAuthentication\nmetadata: {{name: p, namespace: a}}\n"
    write(tmp_path, a_dot_yaml=mode + "spec: {mtls: {mode: STRICT}}\n")
    snapshot = read(tmp_path, assume="jo")
    gap = snapshot.completeness(kind_key("security.istio.io", "PeerAuthentication"))
    assert names(snapshot) == ["p"]
    assert gap.state is (Completeness.COMPLETE if known else Completeness.PARTIAL)
    assert ("version v9" in gap.cause) is not known


def test_an_object_without_a_name_makes_its_kind_incomplete_and_no_other(tmp_path: Path) -> None:
    text = SNAPSHOT + "- {resource: namespaces, namespaces: '*', command: kubectl get ns}\n"
    write(
        tmp_path,
        a_dot_yaml=pod("a"),
        b_dot_yaml="apiVersion: v1\nkind: Pod\nmetadata: {}\n",
        snapshot_dot_yaml=text,
    )
    snapshot = read(tmp_path)
    assert snapshot.completeness(POD).state is Completeness.PARTIAL
    assert "b.yaml:1" in snapshot.completeness(POD).cause
    assert snapshot.completeness(NAMESPACE).state is Completeness.COMPLETE


class TestIdentity:
    def test_identical_copies_merge(self, tmp_path: Path) -> None:
        write(tmp_path, a_dot_yaml=pod("a"), b_dot_yaml=pod("a"))
        snapshot = read(tmp_path)
        assert [obj.source for obj in snapshot.objects] == ["a.yaml#1"]

    def test_copies_in_yaml_and_json_are_identical(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            a_dot_yaml=pod("a"),
            b_dot_json='{"kind":"Pod","apiVersion":"v1","metadata":{"labels":{},"namespace":"a","name":"a"}}',
        )
        assert names(read(tmp_path)) == ["a"]

    def test_different_objects_of_one_identity_are_an_error_naming_both_files(self, tmp_path: Path) -> None:
        write(tmp_path, a_dot_yaml=pod("a"), b_dot_yaml=pod("x") + "---\n" + pod("a", labels="{k: v}"))
        with pytest.raises(UserError) as caught:
            read(tmp_path)
        first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
        expected = f"two different objects are a/Pod/a: {first} (document 1) and {second} (document 2)"
        assert str(caught.value) == expected
        assert caught.value.exit_code == 2

    def test_one_object_in_two_versions_is_one_in_the_preferred_version(self, tmp_path: Path) -> None:
        text = (
            "apiVersion: security.istio.io/{}\nkind: PeerAuthentication\nmetadata: {{name: p}}\nspec: {{}}\n"
        )
        write(tmp_path, a_dot_yaml=text.format("v1beta1"), b_dot_yaml=text.format("v1"))
        assert [obj.version for obj in read(tmp_path).objects] == ["v1"]

    def test_two_secrets_that_differ_in_what_is_dropped_are_one(self, tmp_path: Path) -> None:
        text = "apiVersion: v1\nkind: Secret\nmetadata: {{name: p}}\ndata: {{k: {}}}\n"
        write(tmp_path, a_dot_yaml=text.format("YQ=="), b_dot_yaml=text.format("Yg=="))
        snapshot = read(tmp_path)
        assert len(snapshot.objects) == 1
        assert len(snapshot.redactions) == 1


class TestClaims:
    def test_without_a_snapshot_file_nothing_is_complete(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            a_dot_yaml=f"apiVersion: v1\nkind: List\nitems:\n- {pod('a').replace(chr(10), chr(10) + '  ').strip()}\n",
        )
        snapshot = read(tmp_path)
        assert names(snapshot) == ["a"]
        assert snapshot.completeness(POD).state is Completeness.ABSENT
        assert snapshot.collected_at is None

    def test_a_snapshot_file_claims_what_it_lists(self, tmp_path: Path) -> None:
        write(tmp_path, snapshot_dot_yaml=SNAPSHOT, sub__a_dot_yaml=pod("a"))
        snapshot = read(tmp_path)
        assert snapshot.completeness(POD).state is Completeness.COMPLETE
        assert snapshot.completeness(POLICY).state is Completeness.PARTIAL
        assert snapshot.completeness(POLICY, "a").state is Completeness.COMPLETE
        assert snapshot.completeness(NAMESPACE).state is Completeness.ABSENT
        assert (snapshot.cluster.name, snapshot.cluster.uid) == ("shop", "1")
        assert (snapshot.collected_at, snapshot.collected_by) == ("2026-09-30T02:00:00Z", "jo")

    def test_an_empty_cluster_that_is_claimed_is_usable(self, tmp_path: Path) -> None:
        write(tmp_path, snapshot_dot_yaml=SNAPSHOT, pods_dot_yaml="apiVersion: v1\nkind: List\nitems: []\n")
        snapshot = read(tmp_path)
        assert snapshot.objects == ()
        assert snapshot.completeness(POD).state is Completeness.COMPLETE

    def test_two_snapshots_of_one_cluster_join_and_the_earlier_time_counts(self, tmp_path: Path) -> None:
        other = SNAPSHOT.replace("09-30", "09-29").replace("[a]", "[b]")
        write(tmp_path, a__snapshot_dot_yaml=SNAPSHOT, b__snapshot_dot_yaml=other)
        snapshot = read(tmp_path)
        assert snapshot.collected_at == "2026-09-29T02:00:00Z"
        assert {snapshot.completeness(POLICY, name).state for name in "ab"} == {Completeness.COMPLETE}

    def test_snapshot_files_of_two_folders_of_one_name_both_count(self, tmp_path: Path) -> None:
        other = SNAPSHOT.replace("[a]", "[b]")
        write(tmp_path, one__x__snapshot_dot_yaml=SNAPSHOT, two__x__snapshot_dot_yaml=other)
        snapshot = read(tmp_path / "one" / "x", tmp_path / "two" / "x")
        assert {snapshot.completeness(POLICY, name).state for name in "ab"} == {Completeness.COMPLETE}

    def test_snapshots_of_different_clusters_are_an_error_naming_both(self, tmp_path: Path) -> None:
        write(tmp_path, a__snapshot_dot_yaml=SNAPSHOT, b__snapshot_dot_yaml=SNAPSHOT.replace('"1"', '"2"'))
        with pytest.raises(
            UserError, match=r"a/snapshot.yaml and .*b/snapshot.yaml are about different clusters"
        ):
            read(tmp_path)

    def test_a_snapshot_file_that_does_not_fit_stops_the_run(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            snapshot_dot_yaml=SNAPSHOT.replace("resource: pods", "resource: pod"),
            a_dot_yaml=pod("a"),
        )
        with pytest.raises(
            UserError, match=r"snapshot.yaml:6: complete\[0\].resource: .*did you mean pods\?"
        ):
            read(tmp_path)

    def test_a_claim_does_not_hold_when_a_file_beside_it_was_not_given(self, tmp_path: Path) -> None:
        write(tmp_path, snapshot_dot_yaml=SNAPSHOT, a_dot_yaml=pod("a"), b_dot_yaml=pod("b"))
        snapshot = read(tmp_path / "snapshot.yaml", tmp_path / "a.yaml")
        assert snapshot.completeness(POD).state is Completeness.PARTIAL
        assert "b.yaml beside it was not given" in snapshot.completeness(POD).cause

    def test_a_claim_holds_when_all_files_are_given_one_by_one(self, tmp_path: Path) -> None:
        write(tmp_path, snapshot_dot_yaml=SNAPSHOT, a_dot_yaml=pod("a"), b_dot_yaml=pod("b"))
        snapshot = read(*sorted(tmp_path.iterdir()))
        assert snapshot.completeness(POD).state is Completeness.COMPLETE

    def test_assume_complete_claims_every_known_kind_by_name_except_of_what_runs(
        self, tmp_path: Path
    ) -> None:
        write(tmp_path, a_dot_yaml=pod("a"))
        snapshot = read(tmp_path, assume="Jo Doe")
        assert {snapshot.completeness(key).state for key in KNOWN_KINDS} == {Completeness.COMPLETE}
        assert {claim.by for claim in snapshot.claims} == {"Jo Doe"}
        assert snapshot.completeness(POD, observed=True).state is Completeness.ABSENT

    @pytest.mark.parametrize("name", ["", "  ", "Jo\nDoe"])
    def test_assume_complete_needs_a_name(self, tmp_path: Path, name: str) -> None:
        write(tmp_path, a_dot_yaml=pod("a"))
        with pytest.raises(UserError, match="--assume-complete: expected the name"):
            read(tmp_path, assume=name)


def test_progress_is_told_each_file(tmp_path: Path) -> None:
    write(tmp_path, a_dot_yaml=pod("a"), b_dot_yaml=pod("b"))
    told: list[str] = []
    read_sources([str(tmp_path)], stdin=io.BytesIO(), progress=told.append)
    assert told == ["a.yaml", "b.yaml"]
