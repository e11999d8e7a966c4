"""Does AuthorizationPolicy reject plaintext? Only then does PERMISSIVE differ from an open port.

A peer without mutual TLS has no principal, so positive `principals`, `namespaces` and `serviceAccounts` cannot match it.
What isn't certain counts as "not rejected": the transport accepts plaintext in any case.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditor.encryption.label_index import LabelIndex
from auditor.encryption.verdicts import Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at
from auditor.model.verdict import Cause, RuleRef

AUTHORIZATION_POLICY = kind_key("security.istio.io", "AuthorizationPolicy")
DRY_RUN = "istio.io/dry-run"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_IDENTITY = ("principals", "namespaces", "serviceAccounts")
_NO_IDENTITY = frozenset({"notPrincipals", "notNamespaces", "notServiceAccounts"})
_IDENTITY_KEYS = frozenset({"source.principal", "source.namespace", "source.serviceAccount"})
_HTTP_SOURCE = ("requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks")
_HTTP_OPERATION = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")


@dataclass(frozen=True, slots=True, eq=False)
class AuthorizationRules:
    """A parsed policy that is enforced: `action` ALLOW or DENY. `rules` are raw, `readable` says all are mappings."""

    obj: KubeObject
    action: str
    selector: Mapping[str, str]
    rules: tuple[JsonObject, ...]
    readable: bool

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a pod's labels contain the selector."""
        return all(labels.get(key) == value for key, value in self.selector.items())

    def rule(self, path: str) -> RuleRef:
        """A reference to a place in it."""
        return RuleRef(str(self.obj.id), path, self.obj.evidence_id)


class Authorizations:
    """Every enforced ALLOW and DENY policy, by namespace."""

    def __init__(self, cluster: Cluster) -> None:
        grouped: dict[str, list[AuthorizationRules]] = {}
        for obj in cluster.all(AUTHORIZATION_POLICY):
            if (policy := _parse(obj)) is not None:
                grouped.setdefault(obj.namespace, []).append(policy)
        self._by_namespace = {
            namespace: LabelIndex((policy.selector, policy) for policy in policies)
            for namespace, policies in grouped.items()
        }

    def of(self, endpoint: Endpoint, root: str) -> tuple[AuthorizationRules, ...]:
        """The policies that apply to an endpoint: its namespace's and the root namespace's."""
        return tuple(
            policy
            for namespace in dict.fromkeys((endpoint.namespace, root))
            if namespace in self._by_namespace
            for policy in self._by_namespace[namespace].candidates(endpoint.labels)
            if policy.selects(endpoint.labels)
        )


def rejects_plaintext(
    policies: tuple[AuthorizationRules, ...], port: int, *, ambient: bool
) -> Reasons | None:
    """Why no plaintext connection to the port is ever served, or None where one may be."""
    denying = next(_denying_rules(policies, port, ambient), None)
    if denying is not None:
        cause = Cause("istio.deny-without-identity", (("policy", denying.object),))
        return Reasons((cause,), (denying,), (denying.evidence_id,))
    allowing = [policy for policy in policies if policy.action == "ALLOW"]
    if not allowing or any(_may_allow_plaintext(policy, port, ambient) for policy in allowing):
        return None
    rules = tuple(policy.rule("spec.rules") for policy in allowing)
    evidence = tuple(dict.fromkeys(rule.evidence_id for rule in rules))
    return Reasons((Cause("istio.allow-needs-identity"),), rules, evidence)


def _parse(obj: KubeObject) -> AuthorizationRules | None:
    """None for policies that enforce nothing on a workload: dry run, AUDIT, CUSTOM, or aimed at a gateway or waypoint."""
    spec = mapping_at(obj.body, "spec")
    if obj.annotations.get(DRY_RUN, "") in _TRUE or spec.get("targetRef") or spec.get("targetRefs"):
        return None
    action = spec.get("action") or "ALLOW"
    if action in ("AUDIT", "CUSTOM"):
        return None
    labels = mapping_at(spec, "selector", "matchLabels")
    shapes = (obj.body.get("spec"), spec.get("selector"), mapping_at(spec, "selector").get("matchLabels"))
    if action not in ("ALLOW", "DENY") or not all(isinstance(shape or {}, Mapping) for shape in shapes):
        return AuthorizationRules(obj, "ALLOW", {}, (), readable=False)
    rules = list_at(spec, "rules")
    readable = spec.get("rules") is None or (
        isinstance(spec.get("rules"), list) and all(isinstance(rule, Mapping) for rule in rules)
    )
    selector = {str(key): str(value) for key, value in labels.items()}
    return AuthorizationRules(
        obj, action, selector, tuple(r for r in rules if isinstance(r, Mapping)), readable
    )


def _denying_rules(policies: tuple[AuthorizationRules, ...], port: int, ambient: bool) -> Iterator[RuleRef]:
    for policy in policies:
        if policy.action == "DENY":
            for index, rule in enumerate(policy.rules):
                if _denies_all_plaintext(rule, port) and not (ambient and _has_http(rule)):
                    yield policy.rule(f"spec.rules[{index}]")


def _denies_all_plaintext(rule: JsonObject, port: int) -> bool:
    """Whether every plaintext connection to the port matches: any source without identity, any operation on it."""
    if not _shaped(rule) or any(not _negates_identity(condition) for condition in list_at(rule, "when")):
        return False
    sources = [mapping_at(entry, "source") for entry in list_at(rule, "from")]
    if sources and not any(_fields(source) and _fields(source) <= _NO_IDENTITY for source in sources):
        return False
    operations = [mapping_at(entry, "operation") for entry in list_at(rule, "to")]
    return not operations or any(
        _fields(operation) == {"ports"} and _lists_port(operation, "ports", port) for operation in operations
    )


def _may_allow_plaintext(policy: AuthorizationRules, port: int, ambient: bool) -> bool:
    if not policy.readable:
        return True
    return any(
        not _needs_identity(rule) and not (ambient and _has_http(rule)) and _reaches(rule, port)
        for rule in policy.rules
    )


def _needs_identity(rule: JsonObject) -> bool:
    if not _shaped(rule):
        return False
    sources = [mapping_at(entry, "source") for entry in list_at(rule, "from")]
    if sources and all(any(source.get(name) for name in _IDENTITY) for source in sources):
        return True
    return any(
        mapping_at(condition).get("key") in _IDENTITY_KEYS and bool(list_at(condition, "values"))
        for condition in list_at(rule, "when")
    )


def _reaches(rule: JsonObject, port: int) -> bool:
    """Whether some operation of the rule is about the port."""
    for condition in list_at(rule, "when"):
        if mapping_at(condition).get("key") == "destination.port":
            if list_at(condition, "values") and not _lists_port(condition, "values", port):
                return False
            if _lists_port(condition, "notValues", port):
                return False
    operations = [mapping_at(entry, "operation") for entry in list_at(rule, "to")]
    return not operations or any(
        (not operation.get("ports") or _lists_port(operation, "ports", port))
        and not _lists_port(operation, "notPorts", port)
        for operation in operations
    )


def _lists_port(raw: JsonObject, name: str, port: int) -> bool:
    return str(port) in [str(value) for value in list_at(raw, name)]


def _negates_identity(condition: object) -> bool:
    raw = mapping_at(condition)
    return raw.get("key") in _IDENTITY_KEYS and not raw.get("values") and bool(list_at(raw, "notValues"))


def _has_http(rule: JsonObject) -> bool:
    """Whether a rule has fields that ztunnel, which works at layer 4, cannot judge."""
    if any(mapping_at(e, "source").get(name) for e in list_at(rule, "from") for name in _HTTP_SOURCE):
        return True
    if any(mapping_at(e, "operation").get(name) for e in list_at(rule, "to") for name in _HTTP_OPERATION):
        return True
    keys = [str(mapping_at(condition).get("key")) for condition in list_at(rule, "when")]
    return any(key.startswith(("request.", "connection.sni", "experimental.")) for key in keys)


def _fields(raw: JsonObject) -> set[str]:
    return {str(name) for name, value in raw.items() if value}


def _shaped(rule: JsonObject) -> bool:
    """Whether `from`, `to` and `when` are lists of mappings, as the API requires."""
    for name in ("from", "to", "when"):
        value = rule.get(name)
        if value is None:
            continue
        if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
            return False
    return True
