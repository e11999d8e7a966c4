"""The rules of Istio's AuthorizationPolicy, read into what connections show and what only requests show.

Source: istio.io/latest/docs/reference/config/security/authorization-policy and conditions; connectivity.md 30-33.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from auditor.model.objects import JsonObject, mapping_at
from auditor.network.addresses import Network
from auditor.network.fields import FieldProblem, list_field, mapping_field
from auditor.network.ports import HIGHEST, LOWEST, Range

IDENTITY_FIELDS = ("principals", "namespaces", "serviceAccounts", "trustDomains")
_REQUEST_SOURCE = ("requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks")
_REQUEST_OPERATION = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
_SOURCE = frozenset(
    {
        *("principals", "notPrincipals", "namespaces", "notNamespaces"),
        *("serviceAccounts", "notServiceAccounts", "trustDomains", "notTrustDomains"),
        *("ipBlocks", "notIpBlocks"),
        *_REQUEST_SOURCE,
    }
)
_OPERATION = frozenset({*_REQUEST_OPERATION, "ports", "notPorts"})
_WHEN_IDENTITY = {
    "source.principal": "principals",
    "source.namespace": "namespaces",
    "source.serviceAccount": "serviceAccounts",
}
_WHEN_REQUEST = (
    "request.",
    "remote.ip",
    "experimental.",
    "connection.sni",
    "source.labels",
    "destination.labels",
)


@dataclass(frozen=True, slots=True)
class Values:
    """A positive and a negative list of patterns about one attribute; None is not asked."""

    attribute: str
    wanted: tuple[str, ...] | None
    barred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IstioMatch:
    """One way in which a rule matches: one source, one operation and all conditions of the rule.

    `request`: it also looks at something that only a request shows (paths, tokens, forwarded addresses). `destination`:
    it looks at the receiver's address.
    """

    identities: tuple[Values, ...]
    blocks: tuple[tuple[tuple[Network, ...] | None, tuple[Network, ...]], ...]
    ports: tuple[Range, ...]
    request: bool
    destination: bool


def read_rules(spec: JsonObject) -> list[tuple[IstioMatch, ...]]:
    """The rules under `spec.rules`, each as its matches. Raises FieldProblem."""
    rules = list_field(spec, "rules", "spec")
    return [
        tuple(_rule(mapping_field(r, f"spec.rules[{i}]"), f"spec.rules[{i}]")) for i, r in enumerate(rules)
    ]


def _rule(raw: JsonObject, where: str) -> Iterator[IstioMatch]:
    sources = [
        (mapping_field(mapping_at(e).get("source"), f"{where}.from[{i}].source"), f"{where}.from[{i}].source")
        for i, e in enumerate(list_field(raw, "from", where))
    ] or [({}, where)]
    operations = [
        (
            mapping_field(mapping_at(e).get("operation"), f"{where}.to[{i}].operation"),
            f"{where}.to[{i}].operation",
        )
        for i, e in enumerate(list_field(raw, "to", where))
    ] or [({}, where)]
    conditions = [
        (mapping_field(e, f"{where}.when[{i}]"), f"{where}.when[{i}]")
        for i, e in enumerate(list_field(raw, "when", where))
    ]
    for source, source_path in sources:
        _known(source, _SOURCE, source_path)
        for operation, operation_path in operations:
            _known(operation, _OPERATION, operation_path)
            yield _match((source, source_path), (operation, operation_path), conditions)


def _match(
    source: tuple[JsonObject, str],
    operation: tuple[JsonObject, str],
    conditions: list[tuple[JsonObject, str]],
) -> IstioMatch:
    identities = [v for name in IDENTITY_FIELDS if (v := _values(*source, name))]
    blocks = [_blocks(*source, "ipBlocks", "notIpBlocks")]
    ports = [(LOWEST, HIGHEST)]
    ports = _ports(ports, *operation, "ports", "notPorts")
    request = any(source[0].get(n) for n in _REQUEST_SOURCE) or any(
        operation[0].get(n) for n in _REQUEST_OPERATION
    )
    destination = False
    for condition, where in conditions:
        key = condition.get("key")
        if not isinstance(key, str) or not (condition.get("values") or condition.get("notValues")):
            raise FieldProblem(where, "expected a key with values or notValues", "invalid.rule")
        if key in _WHEN_IDENTITY:
            wanted, barred = _texts(condition, "values", where), _texts(condition, "notValues", where)
            identities.append(Values(_WHEN_IDENTITY[key], wanted or None, barred))
        elif key == "source.ip":
            blocks.append(_blocks(condition, where, "values", "notValues"))
        elif key == "destination.port":
            ports = _ports(ports, condition, where, "values", "notValues")
        elif key == "destination.ip":
            destination = True
        elif key.startswith(_WHEN_REQUEST):
            request = True
        else:
            raise FieldProblem(f"{where}.key", "expected an attribute that Istio knows", "invalid.rule")
    kept = tuple(entry for entry in blocks if entry[0] is not None or entry[1])
    return IstioMatch(tuple(identities), kept, tuple(ports), request, destination)


def _known(raw: Mapping[str, Any], fields: frozenset[str], where: str) -> None:
    for name in sorted(map(str, raw)):
        if name not in fields:
            raise FieldProblem(
                f"{where}.{name}", "expected a field that this version of Istio has", "invalid.rule"
            )


def _values(raw: JsonObject, where: str, name: str) -> Values | None:
    negated = f"not{name[0].upper()}{name[1:]}"
    wanted, barred = _texts(raw, name, where), _texts(raw, negated, where)
    return Values(name, wanted or None, barred) if wanted or barred else None


def _texts(raw: JsonObject, name: str, where: str) -> tuple[str, ...]:
    values = list_field(raw, name, where)
    if not all(isinstance(value, str) and value for value in values):
        raise FieldProblem(f"{where}.{name}", "expected text, not empty", "invalid.rule")
    return tuple(values)


def _blocks(
    raw: JsonObject, where: str, wanted: str, barred: str
) -> tuple[tuple[Network, ...] | None, tuple[Network, ...]]:
    return (
        tuple(_networks(raw, wanted, where)) if raw.get(wanted) else None,
        tuple(_networks(raw, barred, where)),
    )


def _networks(raw: JsonObject, name: str, where: str) -> Iterator[Network]:
    for index, text in enumerate(_texts(raw, name, where)):
        try:
            yield ipaddress.ip_network(text, strict=False)
        except ValueError:
            field = f"{where}.{name}[{index}]"
            raise FieldProblem(
                field, "expected an address or a block such as 10.0.0.0/8", "invalid.cidr"
            ) from None


def _ports(have: Iterable[Range], raw: JsonObject, where: str, wanted: str, barred: str) -> list[Range]:
    left = list(have)
    if raw.get(wanted):
        numbers = set(_numbers(raw, wanted, where))
        left = [(n, n) for n in sorted(numbers) if any(low <= n <= high for low, high in left)]
    for number in _numbers(raw, barred, where):
        left = [
            part
            for low, high in left
            for part in ((low, min(high, number - 1)), (max(low, number + 1), high))
            if part[0] <= part[1]
        ]
    return left


def _numbers(raw: JsonObject, name: str, where: str) -> Iterator[int]:
    for index, text in enumerate(_texts(raw, name, where)):
        if not (text.isascii() and text.isdigit() and LOWEST <= int(text[:6]) <= HIGHEST):
            raise FieldProblem(
                f"{where}.{name}[{index}]", "expected a port from 1 to 65535 as text", "invalid.port"
            )
        yield int(text)
