"""A slow evaluator of Istio's AuthorizationPolicy, straight from its reference: one connection at a time.

istio.io: Authorization Policy (actions, rules, source, operation), Authorization Policy Conditions, HTTP-only fields on TCP
ports, and what ztunnel enforces of it. Path normalisation is left aside.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.network.reference import ALLOW, DENY, Party, Raw

ROOT = "istio-system"
LIMITED = "limited"
_YES, _SOME, _NO, _UNTOLD = "yes", "some requests", "no", "releases differ"
_OF_REQUESTS = ("methods", "paths", "hosts", "notMethods", "notPaths", "notHosts", "requestPrincipals")


@dataclass(frozen=True)
class Connection:
    """A TCP connection to a receiver with a proxy; `identity` is the client's service account over mTLS.

    `ambient`: ztunnel is the receiver's proxy. `opaque`: ports that its Services declare as something else than HTTP.
    """

    source: Party
    identity: str | None
    receiver: Party
    port: int
    ambient: bool = False
    opaque: frozenset[int] = frozenset()


def outcomes(policies: Iterable[Raw], connection: Connection) -> set[str]:
    """What the receiver's proxy may do: CUSTOM, then DENY, then ALLOW."""
    mine = [policy for policy in policies if _enforces(policy) and _selects(policy, connection.receiver)]
    answers: dict[str, list[str]] = {action: [] for action in ("CUSTOM", "DENY", "ALLOW")}
    for policy in mine:
        action = policy["spec"].get("action", "ALLOW")
        rules = policy["spec"].get("rules") or []
        answers[action] += [_rule(rule, action, connection) for rule in rules]
    if _YES in answers["DENY"]:
        return {DENY}
    limited = _SOME in answers["CUSTOM"] or _SOME in answers["DENY"]
    rest = LIMITED if limited else ALLOW
    if (
        any(policy["spec"].get("action", "ALLOW") == "ALLOW" for policy in mine)
        and _YES not in answers["ALLOW"]
    ):
        rest = LIMITED if _SOME in answers["ALLOW"] else DENY
    return {rest, DENY} if _UNTOLD in answers["DENY"] else {rest}


def _enforces(policy: Raw) -> bool:
    notes = policy["metadata"].get("annotations") or {}
    return policy["spec"].get("action") != "AUDIT" and notes.get("istio.io/dry-run") != "true"


def _selects(policy: Raw, receiver: Party) -> bool:
    if policy["metadata"]["namespace"] not in (ROOT, receiver.space):
        return False
    wanted = (policy["spec"].get("selector") or {}).get("matchLabels", {})
    return all(receiver.labels.get(key) == value for key, value in wanted.items())


def _rule(rule: Raw, action: str, connection: Connection) -> str:
    """The best of every source with every operation, under all conditions."""
    if connection.ambient and action == "CUSTOM":
        return _NO
    sources = [entry["source"] for entry in rule.get("from", [])] or [{}]
    operations = [entry["operation"] for entry in rule.get("to", [])] or [{}]
    found = {
        _one(source, operation, rule.get("when", []), action, connection)
        for source in sources
        for operation in operations
    }
    return next(answer for answer in (_YES, _UNTOLD, _SOME, _NO) if answer in found)


def _one(source: Raw, operation: Raw, conditions: list[Raw], action: str, connection: Connection) -> str:
    if not _source(source, connection) or not _operation(operation, connection.port):
        return _NO
    requests = any(field in (*source, *operation) for field in _OF_REQUESTS)
    for condition in conditions:
        if condition["key"].startswith("request."):
            requests = True
        elif not _condition(condition, connection):
            return _NO
    if action == "CUSTOM":
        return _SOME
    if not requests:
        return _YES
    if connection.ambient:
        return _NO if action == "ALLOW" else _UNTOLD
    if connection.port in connection.opaque:
        return _NO if action == "ALLOW" else _YES
    return _SOME


def _condition(condition: Raw, connection: Connection) -> bool:
    value = {
        "source.namespace": connection.source.space if connection.identity else "",
        "destination.port": str(connection.port),
    }[condition["key"]]
    if "values" in condition and not any(_text(p, value or "") for p in condition["values"]):
        return False
    return not any(_text(p, value or "") for p in condition.get("notValues", []))


def _source(wanted: Raw, connection: Connection) -> bool:
    source, identity = connection.source, connection.identity
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
