"""`auditor connectivity SOURCE --with FILE --without ID`: what would change if policies were applied or removed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from auditor.cli.app import _run
from auditor.evaluate.connectivity_changes import compare_views
from auditor.evaluate.connectivity_view import build_view
from auditor.evaluate.what_if import Proposal, what_if
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import endpoints_stay, list_endpoints
from auditor.model.connectivity_result import ChangesResult
from auditor.model.user_error import ExitCode
from auditor.network.ports import PortSet
from auditor.report.connectivity_words import port_set
from auditor.schemas import json_schema
from tests.connectivity.clusters import facts, shop
from tests.network.building import Raw, labels, namespace, pod, policy, read, snapshot
from tests.network.generated import clusters
from tests.network.policy_changes import changes, is_policy
from tests.network.proof import examples

COMPLETE = ["--assume-complete", "Ada Assessor"]
DB, WEB = "shop/Pod/db", "shop/Pod/web"
DB_POLICY = "shop/NetworkPolicy/db"


def opened(port: int) -> Raw:
    return policy("more", "shop", pods=labels(app="db"), ingress=[{"ports": [{"port": port}]}])


def save(path: Path, *objects: Raw) -> str:
    path.write_text(yaml.safe_dump_all(objects))
    return str(path)


@pytest.fixture
def source(tmp_path: Path) -> str:
    return save(tmp_path / "cluster.yaml", *shop())


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = _run(["connectivity", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], str]:
    code, out, err = run(capsys, *arguments, *COMPLETE, "--format", "json")
    assert code == ExitCode.DONE, err
    found = json.loads(out)
    Draft202012Validator(json_schema("changes")).validate(found)
    return found, err


def expanded(result: ChangesResult | dict[str, Any]) -> dict[tuple[str, str], tuple[PortSet, ...]]:
    """Each changed pair of names with the ports that were gained, lost, became uncertain and certain."""
    told = result if isinstance(result, ChangesResult) else ChangesResult.model_validate(result)
    members = {group.id: group.members for group in told.groups}
    return {
        (source, destination): tuple(
            map(port_set, (row.gained, row.lost, row.became_uncertain, row.became_certain))
        )
        for row in told.changes
        for source in members.get(row.source, [row.source])
        for destination in members.get(row.destination, [row.destination])
        if source != destination
    }


def test_a_policy_that_opens_a_port(capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path) -> None:
    found, err = ask(capsys, source, "--with", save(tmp_path / "more.yaml", opened(9000)))
    pairs = expanded(found)
    assert pairs["internet", DB][0] == PortSet.single("TCP", 9000)
    assert not any(pairs["internet", DB][1:])
    assert {destination for _, destination in pairs} == {DB}
    assert err == ""


def test_a_policy_that_goes(capsys: pytest.CaptureFixture[str], source: str) -> None:
    """Nothing else selects the database: everything becomes reachable."""
    found, _ = ask(capsys, source, "--without", DB_POLICY)
    assert expanded(found)["internet", DB][0] == PortSet.whole("TCP", "UDP", "SCTP")


def test_a_policy_applied_as_it_is_changes_nothing(
    capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path
) -> None:
    same = next(raw for raw in shop() if raw["kind"] == "NetworkPolicy" and raw["metadata"]["name"] == "db")
    found, _ = ask(capsys, source, "--with", save(tmp_path / "same.yaml", same))
    assert found["changes"] == []


def test_the_table_names_both_ends(capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path) -> None:
    code, out, _ = run(capsys, source, *COMPLETE, "--with", save(tmp_path / "more.yaml", opened(9000)))
    assert code == ExitCode.DONE
    assert "shop/Pod/db" in out
    assert "9000/TCP" in out


def test_an_invalid_policy_makes_it_uncertain_and_is_named(
    capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path
) -> None:
    bad = policy("bad", "shop", pods=labels(app="web"), ingress=[{"ports": [{"port": 70000}]}])
    found, err = ask(capsys, source, "--with", save(tmp_path / "bad.yaml", bad))
    assert expanded(found)["internet", WEB][2]
    assert "spec.ingress[0].ports[0].port: expected a port from 1 to 65535" in err


def test_what_is_not_a_policy_is_compared_whole_and_that_is_said(
    capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path
) -> None:
    found, err = ask(capsys, source, "--with", save(tmp_path / "job.yaml", pod("job", "shop")))
    assert found["added"] == ["shop/Pod/job"]
    assert "both states were computed whole: it changes objects that are no policies (Pod)" in err


@pytest.mark.parametrize("level", ["pod", "workload", "namespace"])
@pytest.mark.parametrize("basis", ["declared", "enforced"])
def test_every_level_and_basis(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, level: str, basis: str
) -> None:
    source = save(tmp_path / "closed.yaml", *shop(), policy("closed", "shop", ingress=[]))
    more = save(tmp_path / "more.yaml", opened(9000))
    found, _ = ask(capsys, source, "--with", more, "--level", level, "--basis", basis)
    destination = "/Namespace/shop" if level == "namespace" else DB
    assert expanded(found)["internet", destination][0] == PortSet.single("TCP", 9000)
    assert (found["level"], found["basis"]) == (level, basis)


def test_a_change_inside_a_namespace_is_told_at_namespace_level(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = save(tmp_path / "closed.yaml", *shop(), policy("closed", "shop", ingress=[]))
    inside = policy(
        "inside",
        "shop",
        pods=labels(app="db"),
        ingress=[{"from": [{"podSelector": {}}], "ports": [{"port": 9000}]}],
    )
    found, _ = ask(capsys, source, "--with", save(tmp_path / "in.yaml", inside), "--level", "namespace")
    assert [(row["source"], row["destination"]) for row in found["changes"]] == [
        ("/Namespace/shop", "/Namespace/shop")
    ]


def test_only_in_scope(capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path) -> None:
    scope = tmp_path / "scope.yaml"
    scope.write_text(
        "namespaces:\n- name: shop\n  class: out-of-scope\n  reason: test\n- glob: '*'\n  holds: [cardholder-data]\n"
    )
    more = save(tmp_path / "more.yaml", opened(9000))
    found, _ = ask(capsys, source, "--with", more, "--scope", str(scope), "--only-in-scope")
    assert ("internet", DB) not in expanded(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--without", "shop/NetworkPolicy/bd"], "did you mean shop/NetworkPolicy/db"),
        (["--without", "nothing"], "expected namespace/Kind/name"),
        (["--with", "missing.yaml"], "missing.yaml"),
        (["--with", "FILE", "--since", "SOURCE"], "exclude each other"),
        (["--with", "FILE", "--format", "csv"], "expected table or json"),
        (["--with", "FILE", "--without", "shop/NetworkPolicy/more"], "no such object in SOURCE"),
        (["--with", "BROKEN"], "BROKEN"),
    ],
)
def test_bad_input_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path, arguments: list[str], message: str
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(opened(9000)) + "---\na: [\n")
    names = {"FILE": save(tmp_path / "more.yaml", opened(9000)), "SOURCE": source, "BROKEN": str(broken)}
    code, out, err = run(capsys, source, *COMPLETE, *(names.get(word, word) for word in arguments))
    assert (code, out) == (ExitCode.WRONG_USE, "")
    assert names.get(message, message).rpartition("/")[2] in err
    assert err.count("\n") == 1


# -- the same as comparing two states ------------------------------------------------------------------------------


@given(changes(clusters(admin=True)), st.sampled_from(("pod", "workload")))
@examples(40)
def test_it_says_what_a_comparison_of_both_states_says(
    states: tuple[list[Raw], list[Raw]], level: Any
) -> None:
    before, after = states
    ids = {str(read(raw).id) for raw in after}
    proposal = Proposal(
        [read(raw) for raw in after if is_policy(raw)],
        [str(read(raw).id) for raw in before if str(read(raw).id) not in ids],
    )
    found = what_if(facts(before), proposal, level)
    views = (build_view(facts(objects), level) for objects in (after, before))
    assert expanded(found.result) == expanded(compare_views(*views))


# -- which pods count as one ------------------------------------------------------------------------------------------


def replicas(**values: str) -> list[Raw]:
    """Two pods of one workload; each label has two values, separated by a comma."""
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "controller": True}
    found = []
    for number in (0, 1):
        own = {key: value.split(",")[number] for key, value in values.items()}
        raw = pod(f"db-{number}", "shop", own, address=f"10.0.{number}.1")
        raw["metadata"]["ownerReferences"] = [owner]
        found.append(raw)
    return [namespace("shop"), *found]


def selecting(key: str, value: str) -> Raw:
    return policy("p", "shop", pods={"matchLabels": {key: value}})


def from_block(cidr: str) -> Raw:
    return policy("p", "shop", ingress=[{"from": [{"ipBlock": {"cidr": cidr}}]}])


@pytest.mark.parametrize(
    ("old", "new", "stay"),
    [
        ([selecting("app", "db")], [selecting("app", "web")], True),
        ([], [selecting("role", "first")], False),
        ([selecting("role", "first")], [], False),
        ([], [from_block("10.0.1.0/24")], False),
        ([], [from_block("10.0.0.0/8")], True),
        ([from_block("10.0.1.0/24")], [], False),
        ([from_block("10.0.1.0/24")], [from_block("10.0.0.0/24")], True),
    ],
)
def test_pods_stay_grouped_unless_the_change_tells_them_apart(
    old: list[Raw], new: list[Raw], stay: bool
) -> None:
    """The pods differ in the label `role` and in the third byte of their address."""
    around = replicas(app="db,db", role="first,second")
    before, after = Cluster(snapshot([*around, *old])), Cluster(snapshot([*around, *new]))
    endpoints = list_endpoints(before)
    assert endpoints_stay(endpoints, after, map(read, old), map(read, new)) is stay
    assert ([e.id for e in endpoints] == [e.id for e in list_endpoints(after)]) is stay
