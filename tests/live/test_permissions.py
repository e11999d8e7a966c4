"""`auditor rbac` and `auditor preflight` on a real API server: what is printed suffices, and nothing of it is to spare."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.audit import controls_of_kinds, review_access
from auditor.collect.config_maps import names_to_collect
from auditor.collect.live.target import LiveTarget
from auditor.model.evidence import Completeness
from auditor.model.kinds import BY_RESOURCE, CONFIG_MAP, KNOWN_KINDS, OTHER_GROUPS, POD, KindKey
from auditor.model.preflight_result import PreflightResult
from tests.live.cluster import Cluster
from tests.live.collecting import collect, run_auditor
from tests.live.kinds import serve_kinds, until

CONTROLS: Mapping[KindKey, tuple[str, ...]] = controls_of_kinds()
RBAC = "/apis/rbac.authorization.k8s.io/v1"
OF_CALICOS_SERVER = {"tiers", *(f"tier.{KNOWN_KINDS[key].plural}" for key in KNOWN_KINDS)}
"""Rules of their own (`list` of tiers is in the one of the group). Only Calico's own API server asks for these, which
isn't among the programs."""


def printed(*arguments: str) -> list[dict[str, Any]]:
    """The manifests that `auditor rbac` prints."""
    done = run_auditor("rbac", *arguments)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@contextmanager
def guarding(programs: Path, folder: Path, others: Mapping[str, str]) -> Iterator[Cluster]:
    """Every kind that a control reads is served, groups in `others` under their second name, and ConfigMaps are there."""
    with Cluster(programs, folder) as started:
        kinds = [key for key in CONTROLS if not KNOWN_KINDS[key].by_name]
        serve_kinds(started, kinds, others.items())
        places = {"audit", "shop", *(place for place, _ in names_to_collect(()))} - {"kube-system"}
        for namespace in sorted(places):
            started.ok("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        for namespace, name in names_to_collect(()):
            path = f"/api/v1/namespaces/{namespace}/configmaps"
            started.ok("POST", path, {"metadata": {"name": name}, "data": {"a": "b"}})
        yield started


@pytest.fixture(scope="module")
def guarded(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """API groups have their first names."""
    with guarding(programs, tmp_path_factory.mktemp("guarded"), {}) as started:
        yield started


@pytest.fixture(scope="module")
def renamed(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """API groups that have two names have the second."""
    with guarding(programs, tmp_path_factory.mktemp("renamed"), OTHER_GROUPS) as started:
        yield started


UNDER_EITHER_NAME = pytest.mark.parametrize("fixture", ["guarded", "renamed"])


def account(cluster: Cluster, name: str, manifests: Sequence[dict[str, Any]]) -> Path:
    """A kubeconfig of a new ServiceAccount to which the roles among the manifests are bound."""
    cluster.ok("POST", "/api/v1/namespaces/audit/serviceaccounts", {"metadata": {"name": name}})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "audit"}
    for role in manifests:
        place = role["metadata"].get("namespace")
        root = f"{RBAC}/namespaces/{place}" if place else RBAC
        kind = role["kind"]
        own = {**role, "metadata": {"name": name}}
        cluster.ok("POST", f"{root}/{kind.lower()}s", own)
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        cluster.ok("POST", f"{root}/{kind.lower()}bindings", binding)
    return cluster.write_kubeconfig(name, {"token": cluster.service_account_token("audit", name)})


def review(
    kubeconfig: Path, kinds: Iterable[KindKey], places: Sequence[str] | None = None
) -> PreflightResult:
    """What preflight finds."""
    target = LiveTarget(str(kubeconfig), namespaces=tuple(places) if places else None)
    return review_access(target, {key: CONTROLS[key] for key in kinds}, names_to_collect(()))


@UNDER_EITHER_NAME
def test_what_is_printed_suffices_and_preflight_is_content(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    """Applied as the documentation says: with kubectl, ServiceAccount and binding included."""
    guarded: Cluster = request.getfixturevalue(fixture)
    guarded.kubectl(
        "apply", "-f", "-", given=run_auditor("rbac", "--service-account", "audit/auditor").stdout
    )
    token = guarded.service_account_token("audit", "auditor")
    kubeconfig = guarded.write_kubeconfig("auditor", {"token": token})
    until(lambda: guarded.request("GET", "/api/v1/pods", token=token)[0] == 200, "the role is in force")
    found = collect(kubeconfig, CONTROLS)
    assert (dict(found.snapshot.gaps), found.notes) == ({}, ())
    assert {obj.name for obj in found.snapshot.objects if obj.key == CONFIG_MAP} == {
        name for _, name in names_to_collect(())
    }
    done = run_auditor("preflight", "--kubeconfig", str(kubeconfig), "--format", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["excess"], told["excess_known"], told["fix"]) == (0, [], "complete", "")
    assert {row["allowed"] for row in told["permissions"]} == {"yes"}


@dataclass(frozen=True)
class Lack:
    """The printed role without one resource or one ConfigMap's name, and the kind that needed it."""

    what: str
    key: KindKey
    role: dict[str, Any]


def lacks(cluster: Cluster) -> Iterator[Lack]:
    """One for each thing that the role grants and the API server has."""
    there = {group["name"] for group in cluster.ok("GET", "/apis")["groups"]} | {""}
    role = printed()[0]
    for number, rule in enumerate(role["rules"]):
        field = "resourceNames" if "resourceNames" in rule else "resources"
        if OF_CALICOS_SERVER.issuperset(rule["resources"]):
            continue
        group = next(name for name in rule["apiGroups"] if name in there)
        for value in rule[field]:
            left = deepcopy(role)
            left["rules"][number][field].remove(value)
            left["rules"] = [
                entry for entry in left["rules"] if entry[field if field in entry else "resources"]
            ]
            key = CONFIG_MAP if field == "resourceNames" else BY_RESOURCE[rule["apiGroups"][0], value].key
            yield Lack(f"{group}/{value}", key, left)


@UNDER_EITHER_NAME
def test_each_permission_taken_away_is_missed_by_preflight_and_by_the_run(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    guarded: Cluster = request.getfixturevalue(fixture)
    tried = list(lacks(guarded))
    kinds = [key for key in CONTROLS if not KNOWN_KINDS[key].by_name]
    assert len(tried) == len(kinds) + len({name for _, name in names_to_collect(())})
    kubeconfigs = [account(guarded, f"without-{number}", [lack.role]) for number, lack in enumerate(tried)]
    time.sleep(1)  # the authorizer learns of roles by a watch
    for lack, kubeconfig in zip(tried, kubeconfigs, strict=True):
        found = collect(kubeconfig, [lack.key])
        states = [gap.state for gap in found.snapshot.gaps.values()]
        assert states == [Completeness.FORBIDDEN] or any("403" in note for note in found.notes), lack.what
        rows = review(kubeconfig, [lack.key]).permissions
        missing = {f"{row.group}/{row.name or row.resource}" for row in rows if row.allowed == "no"}
        assert missing == {lack.what}


def test_roles_for_chosen_namespaces_suffice_there_and_nowhere_else(guarded: Cluster) -> None:
    roles = printed("--namespace", "shop", "--namespace", "kube-system")
    kubeconfig = account(guarded, "in-two", roles)
    until(lambda: not collect(kubeconfig, [POD], namespaces=["shop"]).snapshot.gaps, "the role is in force")
    found = collect(kubeconfig, CONTROLS, namespaces=["shop", "kube-system"])
    assert (dict(found.snapshot.gaps), found.notes) == ({}, ())
    assert {row.allowed for row in review(kubeconfig, CONTROLS, ["shop", "kube-system"]).permissions} == {
        "yes"
    }
    elsewhere = collect(kubeconfig, [POD], namespaces=["audit"])
    assert elsewhere.snapshot.completeness(POD).state is Completeness.FORBIDDEN
    assert collect(kubeconfig, [POD]).snapshot.completeness(POD).state is Completeness.FORBIDDEN


BEYOND = [
    ("reads-secrets", {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}),
    ("writes", {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["delete"]}),
    ("reaches-into-pods", {"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}),
]


@pytest.mark.parametrize(("finding", "rule"), BEYOND, ids=[row[0] for row in BEYOND])
def test_what_credentials_allow_beyond_need_is_told(
    guarded: Cluster, finding: str, rule: dict[str, Any]
) -> None:
    role = printed()[0]
    role["rules"].append(rule)
    kubeconfig = account(guarded, f"too-much-{finding}", [role])
    time.sleep(0.5)
    found = review(kubeconfig, [POD])
    assert {(row.finding, row.resource) for row in found.excess} == {(finding, rule["resources"][0])}
    assert {row.allowed for row in found.permissions} == {"yes"}


def test_an_administrator_may_everything_and_that_is_told(guarded: Cluster) -> None:
    found = review(guarded.kubeconfig, [POD]).excess
    assert {"reads-secrets", "writes"} <= {row.finding for row in found}


def test_where_reviews_are_not_allowed_preflight_says_so(guarded: Cluster) -> None:
    """Everyone may review oneself by the role system:basic-user, which is taken away for a while."""
    kubeconfig = account(guarded, "unreviewed", printed())
    path = f"{RBAC}/clusterrolebindings/system:basic-user"
    binding = guarded.ok("GET", path)
    guarded.ok("DELETE", path)
    try:
        until(lambda: review(kubeconfig, [POD]).excess_known == "unknown", "the binding is gone", 10)
        done = run_auditor("preflight", "--kubeconfig", str(kubeconfig))
    finally:
        kept = {name: value for name, value in binding["metadata"].items() if name in ("name", "labels")}
        guarded.ok("POST", f"{RBAC}/clusterrolebindings", {**binding, "metadata": kept})
    assert done.returncode == 3
    assert "doesn't answer reviews" in done.stdout
