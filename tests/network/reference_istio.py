"""A slow evaluator of Istio's AuthorizationPolicy at sidecars, straight from its reference: one connection at a time.

istio.io: Authorization Policy (actions, rules, source, operation), Authorization Policy Normalization left aside.
"""

import ipaddress
from collections.abc import Iterable
from typing import Any

from tests.network.reference import Party, Raw

ROOT = "istio-system"


def authorized(
    policies: Iterable[Raw],
    source: Party,
    identity: str | None,
    receiver: Party,
    port: int,
) -> bool:
    """Whether a receiver's sidecar lets a TCP connection in; `identity` is the client's service account over mTLS."""
    mine = [policy for policy in policies if _selects(policy, receiver)]
    by_action = {
        action: [p["spec"] for p in mine if p["spec"].get("action", "ALLOW") == action]
        for action in ("ALLOW", "DENY")
    }
    if any(_matches(spec, source, identity, port) for spec in by_action["DENY"]):
        return False
    if not by_action["ALLOW"]:
        return True
    return any(_matches(spec, source, identity, port) for spec in by_action["ALLOW"])


def _selects(policy: Raw, receiver: Party) -> bool:
    if policy["metadata"]["namespace"] not in (ROOT, receiver.space):
        return False
    wanted = (policy["spec"].get("selector") or {}).get("matchLabels", {})
    return all(receiver.labels.get(key) == value for key, value in wanted.items())


def _matches(spec: Raw, source: Party, identity: str | None, port: int) -> bool:
    return any(_rule(rule, source, identity, port) for rule in spec.get("rules") or [])


def _rule(rule: Raw, source: Party, identity: str | None, port: int) -> bool:
    sources = [entry["source"] for entry in rule.get("from", [])]
    operations = [entry["operation"] for entry in rule.get("to", [])]
    return (not sources or any(_source(s, source, identity) for s in sources)) and (
        not operations or any(_operation(o, port) for o in operations)
    )


def _source(wanted: Raw, source: Party, identity: str | None) -> bool:
    principal = f"cluster.local/ns/{source.space}/sa/{identity}" if identity else ""
    attributes: dict[str, Any] = {
        "principals": principal,
        "namespaces": source.space if identity else "",
    }
    for field, value in attributes.items():
        if field in wanted and not any(_text(pattern, value) for pattern in wanted[field]):
            return False
        negated = f"not{field.capitalize()}"
        if negated in wanted and any(_text(pattern, value) for pattern in wanted[negated]):
            return False
    address = ipaddress.ip_address(source.address)
    if "ipBlocks" in wanted and not any(address in ipaddress.ip_network(b) for b in wanted["ipBlocks"]):
        return False
    return not any(address in ipaddress.ip_network(b) for b in wanted.get("notIpBlocks", []))


def _operation(wanted: Raw, port: int) -> bool:
    if "ports" in wanted and str(port) not in wanted["ports"]:
        return False
    return str(port) not in wanted.get("notPorts", [])


def _text(pattern: str, value: str) -> bool:
    if pattern == "*":
        return value != ""
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value.endswith(pattern[1:]) if pattern.startswith("*") else value == pattern
