"""The script that collects a snapshot, run by sh against a stand-in for kubectl, and read back."""

import io
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from auditor.collect.snapshot_script import snapshot_script
from auditor.collect.sources import read_sources
from auditor.model.evidence import Completeness, Snapshot
from auditor.model.kinds import CONFIG_MAP, KNOWN_KINDS, NAMESPACE, POD, kind_key

POLICY = kind_key("networking.k8s.io", "NetworkPolicy")
CALICO_POLICY = kind_key("projectcalico.org", "NetworkPolicy")
MIDDLEWARE = kind_key("traefik.io", "Middleware")

KUBECTL = r"""#!/bin/sh
# Stands in for kubectl: answers are files in $CLUSTER, named after what is asked for.
printf '%s\n' "$*" >>"$CLUSTER/calls"
while :; do case $1 in --context=* | --kubeconfig=*) shift ;; *) break ;; esac; done
case "$1 $2" in
    'api-resources '*)
        cat "$CLUSTER/served" 2>/dev/null || { echo 'Unable to connect to the server: refused' >&2; exit 1; }
        [ ! -e "$CLUSTER/discovery-fails" ] || { echo 'error: unable to retrieve the complete list' >&2; exit 1; }
        exit 0 ;;
    'config current-context') cat "$CLUSTER/context" 2>/dev/null || exit 1; exit 0 ;;
    'config '*) printf kubeconfig-user; exit 0 ;;
    'auth whoami') cat "$CLUSTER/user" 2>/dev/null || exit 1; exit 0 ;;
    'get namespace') printf 1a2b; exit 0 ;;
    'get deployments,daemonsets') case $* in *volumes*) f=mounts ;; *) f=arguments ;; esac
        cat "$CLUSTER/$f" 2>/dev/null; exit 0 ;;
    'get mutatingwebhookconfigurations') case $* in *jsonpath*) cat "$CLUSTER/revisions" 2>/dev/null; exit 0 ;; esac ;;
    'get configmap')
        f="$CLUSTER/configmap.${4#--namespace=}.$3"
        [ -e "$f" ] || { echo "Error from server (NotFound): configmaps \"$3\" not found" >&2; exit 1; } ;;
esac
[ "$2" = configmap ] || f="$CLUSTER/$2"
if [ -e "$f.forbidden" ]; then
    echo "Error from server (Forbidden): $2 is forbidden: User \"jo\" cannot list" >&2; exit 1
fi
if [ -e "$f" ]; then cat "$f"; else printf 'apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: ""\n'; fi
"""

PODS = """apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: web
    namespace: shop
kind: List
metadata:
  resourceVersion: ""
"""
BUILT_IN = (
    "pods",
    "services",
    "namespaces",
    "nodes",
    "networkpolicies.networking.k8s.io",
    "deployments.apps",
)


@dataclass
class Cluster:
    """The folder of canned answers, and the script beside it."""

    folder: Path

    def answer(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def collect(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kubectl = self.folder / "kubectl"
        kubectl.write_text(KUBECTL)
        kubectl.chmod(0o755)
        script = self.folder / "collect.sh"
        script.write_text(snapshot_script())
        variables = {
            "PATH": os.environ["PATH"],
            "KUBECTL": str(kubectl),
            "CLUSTER": str(self.folder),
            **environment,
        }
        return subprocess.run(
            ["sh", str(script), *arguments],
            env=variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def read(self, folder: str = "snapshot") -> Snapshot:
        return read_sources([str(self.folder / folder)], stdin=io.BytesIO())

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    found = Cluster(tmp_path)
    found.answer("served", "\n".join(BUILT_IN) + "\n")
    found.answer("pods", PODS)
    found.answer("context", "prod")
    found.answer("user", "jo@example.org")
    return found


def test_what_it_writes_is_a_complete_snapshot(cluster: Cluster) -> None:
    done = cluster.collect()
    assert (done.returncode, done.stdout) == (0, "")
    snapshot = cluster.read()
    assert [str(obj.id) for obj in snapshot.objects] == ["shop/Pod/web"]
    assert snapshot.gaps == {}
    states = {key: snapshot.completeness(key).state for key in KNOWN_KINDS if key != CONFIG_MAP}
    assert set(states.values()) == {Completeness.COMPLETE}
    assert (snapshot.cluster.name, snapshot.cluster.uid) == ("prod", "1a2b")
    assert snapshot.collected_by == "jo@example.org"
    assert snapshot.collected_at is not None
    assert sorted(path.name for path in (cluster.folder / "snapshot").iterdir()) == sorted(
        [*(f"{name}.yaml" for name in BUILT_IN), "snapshot.yaml"]
    )


def test_claims_tell_the_command_and_what_is_not_served(cluster: Cluster) -> None:
    cluster.collect()
    commands = {claim.key: claim.command for claim in cluster.read().claims}
    assert commands[POD] == "kubectl get pods --all-namespaces -o yaml"
    assert commands[NAMESPACE] == "kubectl get namespaces -o yaml"
    assert commands[CALICO_POLICY] == "kubectl api-resources --verbs=list -o name (not served)"


def test_it_reads_and_never_asks_for_secrets(cluster: Cluster) -> None:
    cluster.answer("served", "\n".join([*BUILT_IN, "secrets", "configmaps"]) + "\n")
    cluster.collect()
    allowed = ("get ", "api-resources ", "config current-context", "config view --minify ", "auth whoami ")
    assert all(call.startswith(allowed) for call in cluster.calls)
    assert not [call for call in cluster.calls if "secret" in call.lower()]
    assert not [call for call in cluster.calls if call.startswith("get configmaps")]


def test_a_kind_that_is_forbidden_is_not_claimed_and_the_reason_is_told(cluster: Cluster) -> None:
    cluster.answer("networkpolicies.networking.k8s.io.forbidden", "")
    done = cluster.collect()
    assert done.returncode == 0
    assert "cannot list" in done.stderr
    snapshot = cluster.read()
    assert snapshot.completeness(POLICY).state is Completeness.ABSENT
    assert snapshot.completeness(POD).state is Completeness.COMPLETE
    text = (cluster.folder / "snapshot" / "snapshot.yaml").read_text()
    assert "# not complete: networkpolicies.networking.k8s.io: Error from server (Forbidden)" in text
    assert not (cluster.folder / "snapshot" / "networkpolicies.networking.k8s.io.yaml").exists()


def test_when_a_group_does_not_answer_nothing_is_taken_as_not_served(cluster: Cluster) -> None:
    cluster.answer("discovery-fails", "")
    assert cluster.collect().returncode == 0
    snapshot = cluster.read()
    assert snapshot.completeness(POD).state is Completeness.COMPLETE
    assert snapshot.completeness(CALICO_POLICY).state is Completeness.ABSENT


def test_calicos_own_api_is_preferred_to_how_it_stores(cluster: Cluster) -> None:
    names = [
        "networkpolicies.projectcalico.org",
        "networkpolicies.crd.projectcalico.org",
        "tiers.crd.projectcalico.org",
    ]
    cluster.answer("served", "\n".join([*BUILT_IN, *names]) + "\n")
    cluster.collect()
    written = {path.name for path in (cluster.folder / "snapshot").iterdir()}
    assert {f"{names[0]}.yaml", f"{names[2]}.yaml"} < written
    assert f"{names[1]}.yaml" not in written


def test_both_of_traefiks_groups_are_read_and_one_that_is_forbidden_leaves_the_kind_unclaimed(
    cluster: Cluster,
) -> None:
    names = ["middlewares.traefik.io", "middlewares.traefik.containo.us"]
    cluster.answer("served", "\n".join([*BUILT_IN, *names]) + "\n")
    cluster.answer(f"{names[1]}.forbidden", "")
    cluster.collect()
    assert (cluster.folder / "snapshot" / f"{names[0]}.yaml").exists()
    assert cluster.read().completeness(MIDDLEWARE).state is Completeness.ABSENT


CONFIG = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{k: v}}\n"
)
CONFIG_MAPS = [
    ("a fixed name", "kube-system", "cilium-config", {}),
    ("a revision of Istio", "mesh", "istio-1-27-1", {"revisions": "1-27-1 mesh\ndefault istio-system\n"}),
    ("what an agent mounts", "net", "antrea-config-x7k2", {"mounts": "net antrea-config-x7k2 other\n"}),
    (
        "what a controller is told to read",
        "edge",
        "settings",
        {"arguments": 'edge ["/nginx","--configmap=$(POD_NAMESPACE)/settings","--v=2"]\n'},
    ),
    ("in another namespace", "conf", "settings", {"arguments": 'edge ["--configmap=conf/settings"]\n'}),
]


@pytest.mark.parametrize(
    ("namespace", "name", "answers"), [row[1:] for row in CONFIG_MAPS], ids=[row[0] for row in CONFIG_MAPS]
)
def test_config_maps_are_read_by_name(
    cluster: Cluster, namespace: str, name: str, answers: dict[str, str]
) -> None:
    cluster.answer(f"configmap.{namespace}.{name}", CONFIG.format(name=name, namespace=namespace))
    for file, text in answers.items():
        cluster.answer(file, text)
    assert cluster.collect().returncode == 0
    assert (cluster.folder / "snapshot" / f"configmaps.{namespace}.{name}.yaml").exists()
    snapshot = cluster.read()
    assert snapshot.completeness(CONFIG_MAP, namespace, name).state is Completeness.COMPLETE
    assert snapshot.completeness(CONFIG_MAP).state is Completeness.PARTIAL


def test_a_config_map_that_is_not_there_is_claimed_and_one_that_is_forbidden_is_not(cluster: Cluster) -> None:
    cluster.answer("configmap.kube-system.cilium-config", "x")
    cluster.answer("configmap.kube-system.cilium-config.forbidden", "")
    cluster.collect()
    snapshot = cluster.read()
    assert snapshot.completeness(CONFIG_MAP, "kube-system", "calico-config").state is Completeness.COMPLETE
    assert snapshot.completeness(CONFIG_MAP, "kube-system", "cilium-config").state is Completeness.PARTIAL


def test_hostile_names_stay_text_and_never_become_paths(cluster: Cluster) -> None:
    cluster.answer("context", 'a "b" \\ $(touch pwned) `x`\n- c: d')
    cluster.answer("revisions", "../../up mesh\n-x -y\n$(touch${IFS}pwned) mesh\n")
    cluster.answer("mounts", "../ns istio-../../x\nns istio-*\n")
    cluster.answer("arguments", 'edge ["--configmap=../a/../b"]\n')
    assert cluster.collect().returncode == 0
    assert cluster.read().cluster.name == 'a "b" \\ $(touch pwned) `x`- c: d'
    assert not (cluster.folder / "pwned").exists()
    asked = [call for call in cluster.calls if call.startswith("get configmap ")]
    assert not [call for call in asked if ".." in call or "pwned" in call or "*" in call]


def test_context_and_kubeconfig_are_passed_on(cluster: Cluster) -> None:
    cluster.collect("--context", "staging", "--kubeconfig=/k", "out")
    assert all(call.startswith("--context=staging --kubeconfig=/k ") for call in cluster.calls)
    assert cluster.read("out").cluster.name == "staging"


def test_json_can_be_asked_for(cluster: Cluster) -> None:
    cluster.answer("pods", '{"apiVersion":"v1","kind":"List","items":[]}')
    cluster.answer("served", "pods\n")
    cluster.collect(FORMAT="json")
    assert (cluster.folder / "snapshot" / "pods.json").exists()
    assert cluster.calls[1] == "get pods --all-namespaces -o json"


STOPS = [
    (
        "a folder that is there already",
        (),
        {"snapshot/keep": "x"},
        2,
        "snapshot is there already; nothing was changed",
    ),
    (
        "an API server that does not answer",
        (),
        {"served": None},
        1,
        "Unable to connect to the server: refused",
    ),
    ("an unknown option", ("--all",), {}, 2, "unknown option --all"),
    ("an option without its value", ("--context",), {}, 2, "--context needs a value"),
    ("two folders", ("a", "b"), {}, 2, "expected one folder"),
]


@pytest.mark.parametrize(
    ("arguments", "files", "code", "message"), [row[1:] for row in STOPS], ids=[row[0] for row in STOPS]
)
def test_it_stops_with_one_line_and_leaves_nothing(
    cluster: Cluster, arguments: tuple[str, ...], files: dict[str, str | None], code: int, message: str
) -> None:
    for name, text in files.items():
        path = cluster.folder / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir()
            path.write_text(text)
    done = cluster.collect(*arguments)
    assert done.returncode == code
    assert done.stderr.splitlines()[-1] == f"collect: {message}"
    assert [path.name for path in cluster.folder.iterdir() if "partial" in path.name] == []
    if "snapshot/keep" in files:
        assert [path.name for path in (cluster.folder / "snapshot").iterdir()] == ["keep"]


def test_when_nothing_can_be_read_nothing_is_written(cluster: Cluster) -> None:
    cluster.answer("served", "pods\n")
    cluster.answer("pods.forbidden", "")
    done = cluster.collect()
    assert done.returncode == 1
    assert "nothing could be read" in done.stderr
    assert not (cluster.folder / "snapshot").exists()


def test_the_script_is_the_same_every_time() -> None:
    assert snapshot_script() == snapshot_script()
    assert snapshot_script().startswith("#!/bin/sh\n")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    script = tmp_path / "collect.sh"
    script.write_text(snapshot_script())
    done = subprocess.run(
        ["shellcheck", "-s", "sh", str(script)], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
