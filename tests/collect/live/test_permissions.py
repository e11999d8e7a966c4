"""RBAC as `auditor rbac` prints it, enforced by the small API server: enough for everything, and nothing to spare."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("kubernetes")

from auditor.audit import controls_of_kinds, review_access
from auditor.collect.config_maps import names_to_collect
from auditor.collect.live.target import LiveTarget
from auditor.evaluate.permissions import roles
from auditor.model.evidence import Completeness
from auditor.model.kinds import BY_RESOURCE, CONFIG_MAP, KNOWN_KINDS, POD, KindKey
from auditor.model.preflight_result import PreflightResult
from tests.collect.live.api_server import ApiServer, Resource, serving
from tests.collect.live.test_collection import Cluster

KINDS = [key for key in controls_of_kinds() if not KNOWN_KINDS[key].by_name]
NAMESPACES = ("kube-system", "shop")


def served() -> dict[tuple[str, str, str], Resource]:
    """Every kind that controls need, with one object each; Namespaces are those that are there."""
    found = {}
    for key in KINDS:
        known = KNOWN_KINDS[key]
        metadata = {"name": "one", **({"namespace": "shop"} if known.namespaced else {})}
        objects = [{"metadata": {**metadata, "uid": "u1"}}]
        if key.kind == "Namespace":
            objects = [{"metadata": {"name": name, "uid": f"uid-{name}"}} for name in NAMESPACES]
        found[key.group, known.versions[0], known.plural] = Resource(key.kind, known.namespaced, objects)
    return found


def config_maps() -> dict[str, dict[str, Any]]:
    return {
        f"/api/v1/namespaces/{namespace}/configmaps/{name}": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
        }
        for namespace, name in names_to_collect(())
    }


@dataclass
class Guarded(Cluster):
    """A cluster that enforces roles, and the command line against it."""

    def review(self, kinds: Iterable[KindKey] = ()) -> PreflightResult:
        """What preflight finds for kinds, all that controls need when none is given."""
        wanted = set(kinds)
        controls = {key: found for key, found in _controls().items() if not wanted or key in wanted}
        return review_access(LiveTarget(self.kubeconfig), controls, names_to_collect(()))

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "auditor", *map(str, arguments)]
        environment = {**os.environ, "KUBECONFIG": self.kubeconfig, "COLUMNS": "200"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=environment
        )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Guarded]:
    with serving(ApiServer(resources=served(), objects=config_maps())) as server:
        yield Guarded(server, server.kubeconfig(tmp_path / "kubeconfig"))


def all_rules(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for role in manifests for rule in role.get("rules", ())]


def printed(*arguments: str) -> list[dict[str, Any]]:
    """What `auditor rbac` prints."""
    return deepcopy(_printed(*arguments))


@cache
def _controls() -> Mapping[KindKey, tuple[str, ...]]:
    return controls_of_kinds()


@cache
def _printed(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "rbac", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return list(yaml.safe_load_all(done.stdout))


def test_what_is_printed_is_get_and_list_of_named_things_without_secrets() -> None:
    for rule in all_rules(printed("--service-account", "audit/auditor", "--namespace", "kube-system")):
        assert set(rule["verbs"]) <= {"get", "list"}
        assert "*" not in rule["resources"] + rule["apiGroups"] + rule.get("resourceNames", [])
        assert "secrets" not in rule["resources"]
        if "configmaps" in rule["resources"]:
            assert (rule["verbs"], bool(rule["resourceNames"])) == (["get"], True)


def test_a_full_collection_under_the_printed_roles_meets_no_403(cluster: Guarded) -> None:
    cluster.server.roles = printed()
    found = cluster.collect(kinds=controls_of_kinds())
    assert found.snapshot.gaps == {}
    assert found.notes == ()
    assert {obj.key for obj in found.snapshot.objects} == {*KINDS, CONFIG_MAP}
    assert found.snapshot.cluster.uid == "uid-kube-system"


def test_a_collection_of_one_namespace_under_its_role_meets_no_403(cluster: Guarded) -> None:
    cluster.server.roles = printed("--namespace", "shop")
    found = cluster.collect(kinds=controls_of_kinds(), namespaces=["shop"])
    assert found.snapshot.gaps == {}
    cluster.server.roles = printed("--namespace", "other")
    assert cluster.collect(kinds=controls_of_kinds(), namespaces=["shop"]).snapshot.gaps


def without_each_resource() -> Iterator[tuple[str, KindKey, list[dict[str, Any]]]]:
    """The role, each time without one resource or one ConfigMap's name, and a kind that needed it. Calico's tiers matter
    to its own server only."""
    role = roles(controls_of_kinds(), names_to_collect(()))[0]
    for number, rule in enumerate(role["rules"]):
        by_name = "configmaps" in rule["resources"]
        if rule["verbs"] != ["list"] and not by_name:
            continue
        field = "resourceNames" if by_name else "resources"
        for value in rule[field]:
            left = deepcopy(role)
            left["rules"][number][field].remove(value)
            key = CONFIG_MAP if by_name else BY_RESOURCE[rule["apiGroups"][0], value].key
            yield f"{rule['apiGroups'][0]}/{value}", key, [left]


def test_each_permission_that_is_taken_away_is_missed_by_the_run_and_by_preflight(cluster: Guarded) -> None:
    taken = list(without_each_resource())
    assert len(taken) == len(KINDS) + len({name for _, name in names_to_collect(())})
    for what, key, left in taken:
        cluster.server.roles = left
        found = cluster.collect(kinds=[key])
        states = [gap.state for gap in found.snapshot.gaps.values()]
        assert states == [Completeness.FORBIDDEN] or any("403" in note for note in found.notes), what
        assert {row.allowed for row in cluster.review([key]).permissions} >= {"no"}, what


def test_preflight_is_content_with_the_printed_roles(cluster: Guarded) -> None:
    cluster.server.roles = printed()
    done = cluster.run("preflight", "--format", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["excess"], told["excess_known"], told["fix"]) == (0, [], "complete", "")
    assert {row["allowed"] for row in told["permissions"]} == {"yes"}
    assert not [path for path in cluster.server.seen if path.startswith("/api/v1/")]
    assert {path.rpartition("/")[2] for path in cluster.server.posted} == {
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
    }


def test_preflight_names_what_is_missing_what_it_blinds_and_what_mends_it(cluster: Guarded) -> None:
    role = printed()[0]
    role["rules"] = [
        {**rule, "resources": [r for r in rule["resources"] if r not in ("networkpolicies", "nodes")]}
        for rule in role["rules"]
    ]
    cluster.server.roles = [role]
    done = cluster.run("preflight", "--format", "json")
    told = json.loads(done.stdout)
    missing = {(row["group"], row["resource"]): row for row in told["permissions"] if row["allowed"] == "no"}
    assert set(missing) == {
        ("", "nodes"),
        ("networking.k8s.io", "networkpolicies"),
        ("projectcalico.org", "networkpolicies"),
    }
    assert "default-deny-ingress" in missing["networking.k8s.io", "networkpolicies"]["controls"]
    assert done.returncode == 3
    cluster.server.roles = [role, *yaml.safe_load_all(told["fix"])]
    assert cluster.run("preflight").returncode == 0


BEYOND: list[tuple[str, dict[str, Any], tuple[str, str, str]]] = [
    (
        "Secrets",
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]},
        ("reads-secrets", "list", "secrets"),
    ),
    ("everything", {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, ("writes", "*", "*")),
    (
        "a write nobody thought of",
        {"apiGroups": ["x.io"], "resources": ["y"], "verbs": ["patch"]},
        ("writes", "patch", "y"),
    ),
    (
        "exec by GET",
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]},
        ("reaches-into-pods", "get", "pods/exec"),
    ),
]


@pytest.mark.parametrize(("rule", "expected"), [row[1:] for row in BEYOND], ids=[row[0] for row in BEYOND])
@pytest.mark.parametrize("kind", ["ClusterRole", "Role"])
def test_preflight_finds_what_the_credentials_allow_beyond_need(
    cluster: Guarded, kind: str, rule: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    more = {"kind": kind, "metadata": {"name": "more", "namespace": "kube-system"}, "rules": [rule]}
    cluster.server.roles = [*printed(), more]
    found = cluster.review([POD]).excess
    assert expected in [(e.finding, e.verb, e.resource) for e in found]
    assert {e.namespace for e in found} == ({""} if kind == "ClusterRole" else {"kube-system"})


def test_to_ask_about_oneself_is_not_a_write(cluster: Guarded) -> None:
    basic = {
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        "verbs": ["create"],
    }
    cluster.server.roles = [*printed(), {"kind": "ClusterRole", "metadata": {"name": "b"}, "rules": [basic]}]
    assert cluster.review([POD]).excess == []


def test_where_rules_are_not_all_listed_it_says_so_and_still_asks_for_secrets(cluster: Guarded) -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    cluster.server.roles = [{"kind": "ClusterRole", "metadata": {"name": "a"}, "rules": [rule]}]
    cluster.server.every_rule_listed = False
    told = json.loads(cluster.run("preflight", "--format", "json").stdout)
    assert told["excess_known"] == "partial"
    assert [(e["finding"], e["verb"], e["namespace"]) for e in told["excess"]] == [
        ("reads-secrets", "get", "")
    ]


def test_where_reviews_are_not_allowed_it_says_so(cluster: Guarded) -> None:
    cluster.server.reviews = False
    done = cluster.run("preflight")
    assert done.returncode == 3
    assert "doesn't answer reviews" in done.stdout
    found = cluster.review([POD])
    assert ({row.allowed for row in found.permissions}, found.excess_known) == ({"unknown"}, "unknown")


def test_the_tiers_of_calicos_own_server_are_asked_for(cluster: Guarded) -> None:
    role = printed()[0]
    role["rules"] = [rule for rule in role["rules"] if "tier.networkpolicies" not in rule["resources"]]
    cluster.server.roles = [role]
    found = cluster.review(key for key in KINDS if key.group == "projectcalico.org")
    missing = {(row.verb, row.resource) for row in found.permissions if row.allowed == "no"}
    assert ("list", "tier.networkpolicies") in missing
    assert "tier.networkpolicies" in found.fix
