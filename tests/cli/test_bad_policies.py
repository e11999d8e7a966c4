"""Policies that their API server would refuse, through the commands: named, what they could change is left open, the rest
goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.cli.app import _run
from auditor.model.user_error import ExitCode
from tests.network.building import Raw, agent, labels, namespace, node, pod, policy

COMPLETE = ["--assume-complete", "Ada Assessor"]
AROUND = [
    node("node-1", "192.0.2.1"),
    agent("calico-node", "calico-node", "node-1"),
    namespace("shop"),
    pod("web", "shop", {"app": "web"}, address="10.0.0.1"),
    policy("ok", "shop", pods=labels(app="web"), types=["Ingress", "Egress"]),
]


def from_block(cidr: str, *holes: str) -> Raw:
    block = {"cidr": cidr, **({"except": list(holes)} if holes else {})}
    return {"ingress": [{"from": [{"ipBlock": block}]}]}


def ports(**entry: Any) -> Raw:
    return {"ingress": [{"ports": [entry]}]}


KUBERNETES: dict[str, tuple[Raw, str]] = {
    "an unknown selector operator": (
        {"pods": {"matchExpressions": [{"key": "app", "operator": "Matches", "values": ["x"]}]}, "ingress": []},
        "spec.podSelector.matchExpressions[0].operator: expected In, NotIn, Exists or DoesNotExist",
    ),
    "port 70000": (ports(port=70000), "spec.ingress[0].ports[0].port: expected a port from 1 to 65535"),
    "endPort below port": (
        ports(port=80, endPort=70), "spec.ingress[0].ports[0].endPort: expected a port not below port"
    ),
    "host bits": (from_block("10.0.0.1/24"), "spec.ingress[0].from[0].ipBlock.cidr"),
    "an exception outside": (
        from_block("10.0.0.0/24", "11.0.0.0/25"),
        "spec.ingress[0].from[0].ipBlock.except[0]: expected a block inside 10.0.0.0/24",
    ),
    "an exception of another family": (
        from_block("10.0.0.0/24", "2001:db8::/64"),
        "spec.ingress[0].from[0].ipBlock.except[0]: expected a block inside 10.0.0.0/24",
    ),
}  # fmt: skip
CALICO: dict[str, tuple[Raw, str]] = {
    "an unknown token": ({"selector": "app ~= 'db'", "ingress": []}, "spec.selector: at character 4"),
    "mixed families": (
        {
            "selector": "app == 'db'",
            "ingress": [{"action": "Allow", "source": {"nets": ["10.0.0.0/8", "2001:db8::/64"]}}],
        },
        "spec.ingress[0]: expected addresses of one IP version",
    ),
    "a tier that doesn't exist": (
        {"tier": "nowhere", "selector": "app == 'db'", "ingress": []},
        "spec.tier: expected the name of a Tier that exists",
    ),
}


def bad(number: int, told: Raw, calico: bool) -> list[Raw]:
    """A pod in a namespace of its own, and the broken policy about it."""
    space = f"bad-{number}"
    objects = [namespace(space), pod("db", space, {"app": "db"}, address=f"10.0.1.{number}")]
    if not calico:
        return [*objects, policy("bad", space, **{"pods": labels(app="db"), **told})]
    metadata = {"name": "bad", "namespace": space}
    return [
        *objects,
        {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": metadata, "spec": told},
    ]


CASES = {
    name: (bad(number, told, name in CALICO), f"bad-{number}", message)
    for number, (name, (told, message)) in enumerate({**KUBERNETES, **CALICO}.items(), 1)
}


def save(folder: Path, objects: list[Raw]) -> str:
    folder.mkdir()
    (folder / "objects.yaml").write_text(yaml.safe_dump_all(objects))
    return str(folder)


@pytest.mark.parametrize("name", CASES)
def test_connectivity_names_it_and_leaves_open_what_it_could_change(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    objects, space, message = CASES[name]
    source = save(tmp_path / "in", [*AROUND, *objects])
    code = _run(["connectivity", source, *COMPLETE, "--format", "json"])
    captured = capsys.readouterr()
    assert code == ExitCode.DONE
    assert message in captured.err
    found = json.loads(captured.out)
    assert [problem["object"].split("/")[0] for problem in found["completeness"]["problems"]] == [space]
    of_group = {member: group["id"] for group in found["groups"] for member in group["members"]}
    into_db = [row for row in found["connections"] if row["destination"] == of_group[f"{space}/Pod/db"]]
    from_outside = next(row for row in into_db if row["source"] == "internet")
    assert {entry["protocol"] for entry in from_outside["indeterminate"]} >= {"TCP", "UDP"}
    into_web = [
        row["source"] for row in found["connections"] if row["destination"] == of_group["shop/Pod/web"]
    ]
    assert "internet" not in into_web


def test_an_audit_leaves_open_what_they_could_change_and_judges_the_rest(tmp_path: Path) -> None:
    objects = [raw for entry, _, _ in CASES.values() for raw in entry]
    out = tmp_path / "out"
    code = _run(
        [
            "audit",
            save(tmp_path / "in", [*AROUND, *objects]),
            *COMPLETE,
            "--out",
            str(out),
            "--format",
            "json",
        ]
    )
    assert code == ExitCode.DONE
    findings = json.loads((out / "results.json").read_text())["findings"]
    isolated = {f["subject"]: f["outcome"] for f in findings if f["check"] == "ingress-denied-by-default"}
    assert isolated["shop/Pod/web"] == "PASS"
    assert {isolated[f"{space}/Pod/db"] for _, space, _ in CASES.values()} == {"NOT_EVALUATED"}
