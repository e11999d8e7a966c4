"""The remedies that findings name, applied to the sample's manifests: each closes its finding and opens no other."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.audit import AuditRequest, evaluate
from auditor.model.outcome import Outcome

SAMPLE = Path(__file__).parents[2] / "samples" / "clusters" / "payments-istio"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Edit = Callable[[dict[str, Any]], None]


@cache
def failures(folder: Path) -> frozenset[tuple[str, str]]:
    at = datetime(2026, 9, 30, 3, 0, tzinfo=UTC)
    request = AuditRequest(sources=[str(folder)], out=Path("unused"), scope=SAMPLE / "scope.yaml", at=at)
    return frozenset((f.control, f.subject) for f in evaluate(request).findings if f.outcome is Outcome.FAIL)


def with_change(folder: Path, file: str, namespace: str, name: str, edit: Edit | None) -> Path:
    """A copy of the sample with one object edited, or removed where `edit` is None."""
    shutil.copytree(SAMPLE, folder)
    path = folder / file
    listed = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 -- the safe loader, in C where there is one
    found = [
        i for i in listed["items"] if (i["metadata"]["namespace"], i["metadata"]["name"]) == (namespace, name)
    ]
    assert len(found) == 1
    if edit is None:
        listed["items"].remove(found[0])
    else:
        edit(found[0]["spec"])
    path.write_text(yaml.safe_dump(listed))
    return folder


def join_peers(spec: dict[str, Any]) -> None:
    for rule in spec["ingress"]:
        if len(rule.get("from", [])) > 1:
            rule["from"] = [{key: value for peer in rule["from"] for key, value in peer.items()}]


def limit_to(*peers: dict[str, Any]) -> Edit:
    def edit(spec: dict[str, Any]) -> None:
        for rule in spec["ingress"]:
            if any("ipBlock" in peer for peer in rule.get("from", [])):
                rule["from"] = list(peers)

    return edit


def drop_port_level(spec: dict[str, Any]) -> None:
    spec.pop("portLevelMtls")


def strict(spec: dict[str, Any]) -> None:
    spec["mtls"] = {"mode": "STRICT"}


def keep_mtls(spec: dict[str, Any]) -> None:
    spec["trafficPolicy"]["tls"] = {"mode": "ISTIO_MUTUAL"}


def redirect(spec: dict[str, Any]) -> None:
    spec["servers"][0]["tls"] = {"httpsRedirect": True}


def newer_tls(spec: dict[str, Any]) -> None:
    spec["servers"][0]["tls"]["minProtocolVersion"] = "TLSV1_2"


def inside_only(spec: dict[str, Any]) -> None:
    spec["type"] = "ClusterIP"
    for port in spec["ports"]:
        port.pop("nodePort", None)


def right_label(spec: dict[str, Any]) -> None:
    labels = spec["podSelector"]["matchLabels"]
    for key, value in labels.items():
        labels[key] = value.replace("setlement", "settlement")


def one_range(spec: dict[str, Any]) -> None:
    for rule in spec["egress"]:
        for peer in rule.get("to", []):
            if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0":
                peer["ipBlock"] = {"cidr": "203.0.113.0/28"}


POLICIES = "networkpolicies.networking.k8s.io.yaml"
PEERS = "peerauthentications.security.istio.io.yaml"
RULES = "destinationrules.networking.istio.io.yaml"
GATEWAYS = "gateways.networking.istio.io.yaml"
GATEWAY = "istio-ingress/Gateway.networking.istio.io"
REMEDIES: dict[str, tuple[str, str, str, Edit | None, set[tuple[str, str]]]] = {
    "remove the policy whose rule lets everything in": (
        *(POLICIES, "payments", "fraud-scoring-trial", None),
        {
            ("default-deny-ingress", "payments/Deployment/fraud-scoring"),
            ("scoped-namespace-isolation", "payments/Deployment/fraud-scoring"),
            ("flow-register", "payments/Deployment/fraud-scoring"),
            ("rule-quality", "payments/NetworkPolicy/fraud-scoring"),
        },
    ),
    "make the two peers of the vault's rule one": (
        *(POLICIES, "card-vault", "vault-db", join_peers),
        {("scoped-namespace-isolation", "card-vault/StatefulSet/vault-db")},
    ),
    "name the pods instead of every address": (
        *(POLICIES, "payments", "ledger-debug", limit_to({"podSelector": {}})),
        {("scoped-namespace-isolation", "payments/Deployment/ledger")},
    ),
    "name the range instead of every address on the way out": (
        *(POLICIES, "card-vault", "vault-api-kms", one_range),
        {
            ("internet-egress", "card-vault/Deployment/vault-api"),
            ("rule-quality", "card-vault/NetworkPolicy/vault-api-kms"),
        },
    ),
    "correct the label in the policy's selector": (
        *(POLICIES, "payments", "settlement", right_label),
        {("policies-select-pods", "payments/NetworkPolicy/settlement")},
    ),
    "remove the port-level exception": (
        *(PEERS, "payments", "payment-gateway", drop_port_level),
        {
            ("istio-plaintext-refused", "payments/Deployment/payment-gateway:9102/TCP"),
            ("transit-protection", "payments/Deployment/payment-gateway:9102/TCP"),
        },
    ),
    "require mutual TLS for the database": (
        *(PEERS, "payments", "ledger-db", strict),
        {
            ("istio-plaintext-refused", "payments/StatefulSet/ledger-db:5432/TCP"),
            ("transit-protection", "payments/StatefulSet/ledger-db:5432/TCP"),
        },
    ),
    "set the destination rule to ISTIO_MUTUAL": (
        *(RULES, "payments", "ledger-db", keep_mtls),
        {("istio-client-tls", "payments/DestinationRule.networking.istio.io/ledger-db")},
    ),
    "redirect the gateway's HTTP server": (
        *(GATEWAYS, "istio-ingress", "feeds", redirect),
        {("istio-gateway-tls", f"{GATEWAY}/feeds:8081")},
    ),
    "raise the gateway's minimum version": (
        *(GATEWAYS, "istio-ingress", "pos-terminals", newer_tls),
        {
            ("istio-gateway-tls", f"{GATEWAY}/pos-terminals:9443"),
            ("entry-tls-version", f"{GATEWAY}/pos-terminals pos.shop.example:9443"),
        },
    ),
    "make the node port a ClusterIP Service": (
        *("services.yaml", "payments", "ledger-debug", inside_only),
        {("external-exposure", "payments/Service/ledger-debug")},
    ),
}


@pytest.mark.parametrize("remedy", REMEDIES)
def test_a_remedy_closes_its_findings_and_opens_no_other(remedy: str, tmp_path: Path) -> None:
    file, namespace, name, edit, closed = REMEDIES[remedy]
    before = failures(SAMPLE)
    after = failures(with_change(tmp_path / "cluster", file, namespace, name, edit))
    assert closed <= before
    assert not closed & after
    assert after <= before
