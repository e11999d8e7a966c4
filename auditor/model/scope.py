"""The scope file: who is audited, which namespaces hold which data, which flows the business approved."""

import fnmatch
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)]
_PORTS = r"^[0-9]{1,5}(-[0-9]{1,5})?$"
FrameworkId = Literal["pci-dss-4.0.1", "hipaa", "gdpr"]
FRAMEWORK_IDS: tuple[FrameworkId, ...] = ("pci-dss-4.0.1", "hipaa", "gdpr")
Data = Literal["cardholder-data", "phi", "personal-data"]
_FRAMEWORK_OF_DATA: dict[Data, FrameworkId] = {
    "cardholder-data": "pci-dss-4.0.1",
    "phi": "hipaa",
    "personal-data": "gdpr",
}


def _port(value: object) -> object:
    """Before the types are tried, so that a wrong port is one error and not one for each type."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(_PORTS, str(value)):
        raise ValueError("expected a port or a range of ports, as 443 or 8000-8080")
    return value


Port = Annotated[Annotated[str, StringConstraints(pattern=_PORTS)] | int, BeforeValidator(_port)]
"""A port, or a range as `8000-8080`."""


class ScopeClass(StrEnum):
    """Classes of namespaces and pods, per framework."""

    IN_SCOPE = "in-scope"
    CONNECTED_TO = "connected-to"
    SECURITY_IMPACTING = "security-impacting"
    OUT_OF_SCOPE = "out-of-scope"
    UNCLASSIFIED = "unclassified"


class Strict(BaseModel):
    """A model of a file that people write: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SelectorRequirement(Strict):
    """One entry of `matchExpressions`."""

    key: Line
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []

    @model_validator(mode="after")
    def _values_fit_operator(self) -> Self:
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            raise ValueError("In and NotIn need values; Exists and DoesNotExist take none")
        return self


class LabelSelector(Strict):
    """A Kubernetes label selector; matchLabels and matchExpressions are ANDed."""

    matchLabels: dict[str, str] = {}
    matchExpressions: list[SelectorRequirement] = []

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.matchLabels and not self.matchExpressions:
            raise ValueError("an empty selector would match everything; use glob: '*' to say so")
        return self

    def as_mapping(self) -> Mapping[str, object]:
        """The selector in the shape that Kubernetes objects have."""
        return {
            "matchLabels": self.matchLabels,
            "matchExpressions": [entry.model_dump() for entry in self.matchExpressions],
        }


class NamespaceRule(Strict):
    """Which namespaces a class applies to: exactly one of `name`, `glob` and `selector`; pods may split it.

    Either `holds` (the data in them puts them in scope of the frameworks about that data) or `class` (for
    `frameworks`, by default all).
    """

    name: Line | None = None
    glob: Line | None = None
    selector: LabelSelector | None = None
    pods: LabelSelector | None = None
    holds: list[Data] = []
    class_: Annotated[ScopeClass | None, Field(alias="class")] = None
    frameworks: list[FrameworkId] = []
    reason: Text | None = None

    @field_validator("class_")
    @classmethod
    def _class_is_named(cls, value: ScopeClass | None) -> ScopeClass | None:
        if value is ScopeClass.UNCLASSIFIED:
            raise ValueError("'unclassified' is what remains when no rule matches; it cannot be given")
        return value

    @model_validator(mode="after")
    def _one_matcher_one_class(self) -> Self:
        if sum(x is not None for x in (self.name, self.glob, self.selector)) != 1:
            raise ValueError("expected exactly one of name, glob, selector")
        if bool(self.holds) == (self.class_ is not None):
            raise ValueError("expected either holds (the data) or class, not both")
        if self.holds and self.frameworks:
            raise ValueError("holds already tells the frameworks; leave frameworks out")
        if self.class_ is ScopeClass.OUT_OF_SCOPE and not self.reason:
            raise ValueError("out-of-scope needs a reason")
        return self

    @property
    def rank(self) -> int:
        """Precedence: name 0, label selector 1, glob 2."""
        return 0 if self.name is not None else 1 if self.selector is not None else 2

    def class_in(self, framework: str) -> ScopeClass | None:
        """The class this rule gives in a framework, None where it says nothing about it."""
        if self.holds:
            about = {_FRAMEWORK_OF_DATA[data] for data in self.holds}
            return ScopeClass.IN_SCOPE if framework in about else None
        return self.class_ if not self.frameworks or framework in self.frameworks else None


class ExternalNetwork(Strict):
    """A network outside the cluster, and how far it is trusted."""

    name: Line
    cidrs: Annotated[list[str], Field(min_length=1)]
    trust: Literal["trusted", "untrusted", "wireless", "third-party"]

    @field_validator("cidrs")
    @classmethod
    def _valid_cidrs(cls, value: list[str]) -> list[str]:
        for cidr in value:
            ipaddress.ip_network(cidr)
        return value


class PortRange(Strict):
    """A protocol with ports, or all ports of it."""

    protocol: Literal["TCP", "UDP", "SCTP", "ICMP", "ICMPv6"] = "TCP"
    ports: list[Port] = []

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        for low, high in self.ranges:
            if not 1 <= low <= high <= 65535:
                raise ValueError("expected ports from 1 to 65535, as 443 or 8000-8080")
        return self

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Inclusive ranges; all ports when none are named."""
        if not self.ports:
            return [(1, 65535)]
        pairs = [str(port).partition("-") for port in self.ports]
        return sorted((int(low), int(high or low)) for low, _, high in pairs)


class ApprovedFlow(Strict):
    """A flow that the business has approved (PCI DSS 1.2.5, 1.2.6).

    `source` and `destination` are endpoint ids (`namespace/Kind/name`), namespaces (`namespace/*`), names of external
    networks, `internet` or CIDRs; `*` globs are allowed in each part of an endpoint id.
    """

    id: Line
    source: Line
    destination: Line
    services: Annotated[list[PortRange], Field(min_length=1)]
    business_need: Text
    approved_by: Line
    approved_on: date
    review_by: date | None = None
    account_data: bool = False
    insecure: bool = False
    security_feature: Text | None = None

    @model_validator(mode="after")
    def _insecure_is_compensated(self) -> Self:
        if self.insecure and not self.security_feature:
            raise ValueError("an insecure service needs security_feature: what compensates for it (1.2.6)")
        return self


class ClientAuthentication(Strict):
    """Hosts on which the entity requires a client certificate; `host` may be a glob."""

    host: Line
    reason: Text | None = None


class AdministrativeAccess(Strict):
    """Where administrators come in other than at a console (PCI DSS 2.2.7): a `host` that an entry point serves, or the
    ports of an `endpoint`.

    Both may be globs, the endpoint in each part of its id. Without `ports` every port is meant that the endpoint declares;
    a port named by itself counts even where nothing declares it.
    """

    host: Line | None = None
    endpoint: Line | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    ports: list[Port] = []
    reason: Text | None = None

    @field_validator("host")
    @classmethod
    def _host_alone(cls, value: str | None) -> str | None:
        if value is not None and any(c in "/:@" or c.isspace() for c in value):
            raise ValueError("expected a host name such as admin.example, without scheme, port or path")
        return value

    @field_validator("endpoint")
    @classmethod
    def _endpoint_id(cls, value: str | None) -> str | None:
        parts = value.split("/") if value is not None else ["*"] * 3
        if len(parts) != 3 or not all(parts):
            raise ValueError("expected namespace/Kind/name, such as vault/Deployment/console")
        return value

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.host is None) == (self.endpoint is None):
            raise ValueError("expected exactly one of host, endpoint")
        if self.host is not None and (self.ports or self.protocol != "TCP"):
            raise ValueError("ports and protocol go with endpoint; of a host every listener is judged")
        PortRange(protocol=self.protocol, ports=self.ports)
        return self

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Inclusive ranges of ports; all ports when none are named."""
        return PortRange(protocol=self.protocol, ports=self.ports).ranges


class ClusterScope(Strict):
    """Which cluster the scope is about."""

    name: Line | None = None
    uid: Line | None = None


class Scope(Strict):
    """`scope.yaml`. Without one everything is in scope, and the report says so."""

    format_version: Literal[1] = 1
    organisation: Line | None = None
    assessor: Line | None = None
    period: Line | None = None
    marking: Line | None = None
    distribution: Line | None = None
    entity: Literal["merchant", "service-provider", "multi-tenant"] = "merchant"
    cluster: ClusterScope = ClusterScope()
    namespaces: list[NamespaceRule] = []
    external_networks: list[ExternalNetwork] = []
    approved_flows: list[ApprovedFlow] = []
    client_authentication: list[ClientAuthentication] = []
    administrative_access: list[AdministrativeAccess] = []

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        for what, names in (
            ("approved_flows: two flows with id", [flow.id for flow in self.approved_flows]),
            ("external_networks: two networks named", [net.name for net in self.external_networks]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]!r}")
        return self


class ScopeConflict(ValueError):
    """Two rules of equal rank give one namespace or pod different classes in a framework."""


@dataclass(frozen=True, slots=True)
class NamespaceFacts:
    """What scope rules look at: the name, and the labels if there is a Namespace object to read them from."""

    name: str
    labels: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of a namespace or pod in one framework, and which rule gave it (None: no rule matched).

    `undecided`: a label selector of higher precedence could not be read, for want of the Namespace object.
    """

    class_: ScopeClass
    rule: int | None
    undecided: bool = False

    @property
    def judged_in_scope(self) -> bool:
        """In scope, or treated so because nothing places it elsewhere."""
        return self.class_ in (ScopeClass.IN_SCOPE, ScopeClass.UNCLASSIFIED)


def matches_glob(pattern: str, name: str) -> bool:
    """Case-sensitive shell pattern on a whole name."""
    return fnmatch.fnmatchcase(name, pattern)


def select_rule(
    scope: Scope, framework: str, candidates: Sequence[tuple[int, NamespaceRule]]
) -> tuple[int, ScopeClass] | None:
    """The rule that decides among those that match: lowest rank; pod rules before whole-namespace ones.

    Raises ScopeConflict when rules of equal rank disagree.
    """
    classed = [(i, r, c) for i, r in candidates if (c := r.class_in(framework)) is not None]
    if not classed:
        return None
    best = min((r.pods is None, r.rank) for _, r, _ in classed)
    top = [(i, c) for i, r, c in classed if (r.pods is None, r.rank) == best]
    if len({c for _, c in top}) > 1:
        first, second = top[0], next(entry for entry in top if entry[1] != top[0][1])
        raise ScopeConflict(
            f"namespaces[{first[0]}] says {first[1]}, namespaces[{second[0]}] says {second[1]}, with equal precedence"
        )
    return top[0]
