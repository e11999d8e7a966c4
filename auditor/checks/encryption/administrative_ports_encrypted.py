"""What reaches the ports through which administrators come in is encrypted on its way."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from auditor.checks import told
from auditor.checks.approvals import names
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded, check
from auditor.checks.incoming_flows import Flow, first_by_name, told_flow
from auditor.checks.ports import about
from auditor.checks.reads import INCOMING_FLOWS
from auditor.encryption.entry.tls_versions import is_at_least
from auditor.encryption.entry_points import Exposure
from auditor.encryption.verdicts import PortProtection, Wire
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import CLUSTER_SUBJECT, Reason, Subject
from auditor.model.kinds import SERVICE
from auditor.model.outcome import Outcome
from auditor.model.scope import AdministrativeAccess
from auditor.model.verdict import Protection, Tri


class Parameters(BaseModel):
    """The oldest TLS version that counts as strong cryptography where a mesh encrypts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum_version: Literal["1.2", "1.3"] = "1.2"


_CLOSE = (
    "Require mutual TLS of the mesh on port {port}, let administrators in through an entry point that serves TLS and no "
    "other way, or let the CNI encrypt traffic between nodes."
)
REASONS = (
    Reason(
        "plaintext-refused",
        Outcome.PASS,
        "{subject}, which administrators use, refuses plaintext (TLS {minimum_tls} and later).",
    ),
    Reason(
        "nothing-may-connect",
        Outcome.PASS,
        "{subject}, marked as administrative, accepts no connection at all.",
    ),
    Reason(
        "flows-encrypted",
        Outcome.PASS,
        "Whatever may reach {subject}, which administrators use, is encrypted (sources: {source_count}; TLS {minimum_tls} "
        "and later).",
    ),
    Reason(
        "encrypted-between-nodes",
        Outcome.PASS,
        "Whatever may reach {subject}, which administrators use, is encrypted between nodes by {covered_by}; traffic "
        "inside its own node is not (sources: {source_count}).",
    ),
    Reason(
        "flow-in-plaintext",
        Outcome.FAIL,
        "{sources} may send plaintext to {subject}, which administrators use (sources in all: {source_count}): {causes}.",
        remedy=_CLOSE,
    ),
    Reason(
        "plaintext-from-outside",
        Outcome.FAIL,
        "{subject}, which administrators use, accepts plaintext and is open outside the cluster ({ways}): {causes}.",
        remedy=_CLOSE,
    ),
    Reason(
        "old-tls",
        Outcome.FAIL,
        "{subject}, which administrators use, accepts TLS {minimum_tls}, which is older than {wanted}.",
        remedy="Raise meshMTLS.minProtocolVersion in MeshConfig, or unset TLS12_ENABLED in ztunnel.",
    ),
    Reason(
        "endpoint-not-found",
        Outcome.NOT_EVALUATED,
        "The scope file marks {endpoint} as administrative; no endpoint in the evidence has that id.",
        final=True,
    ),
    Reason(
        "port-not-found",
        Outcome.NOT_EVALUATED,
        "The scope file marks ports of {endpoint} as administrative ({ports}); it declares none of them.",
        final=True,
    ),
    Reason(
        "no-way-known",
        Outcome.NOT_EVALUATED,
        "No other endpoint may connect to {subject}, and nothing opens it outside the cluster: how administrators reach it "
        "is not in the evidence (kubectl port-forward, say, goes through the Kubernetes API).",
    ),
    Reason(
        "indeterminate.gateway",
        Outcome.NOT_EVALUATED,
        "{subject} is a gateway's or ingress controller's port: what it serves differs by host, so mark the hosts.",
        final=True,
    ),
    Reason(
        "indeterminate.version",
        Outcome.NOT_EVALUATED,
        "What reaches {subject}, which administrators use, is encrypted; which TLS version is the oldest that it takes "
        "can't be told.",
        final=True,
    ),
    Reason(
        "indeterminate.exposure",
        Outcome.NOT_EVALUATED,
        "{subject}, which administrators use, accepts plaintext and is open outside the cluster ({ways}); policy lets no "
        "address outside in, but what nodes pass on carries their own addresses.",
    ),
    Reason(
        "indeterminate.flow",
        Outcome.NOT_EVALUATED,
        "Whether plaintext may reach {subject}, which administrators use, can't be told: {causes}.",
    ),
    Reason(
        "none-marked",
        Outcome.NOT_APPLICABLE,
        "The scope file marks no endpoint as administrative.",
        final=True,
    ),
)
_Exposures = Mapping[tuple[str, int, str], Sequence[Exposure]]
_REFUSES_PLAINTEXT = (Protection.ENFORCED_MTLS, Protection.TLS_SERVER_ONLY)
_BY_SCOPE = tuple(
    replace(read, subjects=False, could_fail=read.could_fail or read.key == SERVICE)
    for read in INCOMING_FLOWS
)
"""The scope file makes the population; a Service that is missing may open a port outside."""


@dataclass(frozen=True, slots=True)
class _Port:
    """A marked port with all that may reach it. `outside`: whether policy lets an address outside the cluster in."""

    row: PortProtection
    flows: Sequence[Flow]
    exposures: Sequence[Exposure]
    gateway: bool
    outside: bool


@check("administrative-ports-encrypted", reads=_BY_SCOPE, reasons=REASONS, parameters=Parameters)
def administrative_ports_encrypted(context: Context, parameters: Parameters) -> Iterator[Yielded]:
    """Passes when a port of the scope file's administrative_access refuses plaintext in a current TLS version, or everything
    that may reach it is encrypted: each flow by both ends together and the nodes below, as for flows-encrypted.

    Fails when a flow that policy lets in is plaintext between nodes, or a port that accepts plaintext is open outside the
    cluster. A mark that fits nothing, and a port that nothing may reach, are not evaluated. Judges marked ports whatever
    class they have. Does not see TLS or SSH that applications speak themselves, nor who logs in.
    """
    marks = [e for e in (context.scope.administrative_access if context.scope else []) if e.endpoint]
    if not marks:
        yield Judgement("none-marked", CLUSTER_SUBJECT, listed=False)
    done: set[str] = set()
    exposures = _by_port(context.facts.exposures) if marks else {}
    for mark in marks:
        for entry in _marked(context, mark):
            if isinstance(entry, Judgement):
                yield entry
            elif entry.subject not in done:
                done.add(entry.subject)
                yield _judge(_reached(context, entry, exposures), parameters.minimum_version)


def _marked(context: Context, mark: AdministrativeAccess) -> Iterator[PortProtection | Judgement]:
    wanted = mark.endpoint or ""
    found = [endpoint for endpoint in context.facts.endpoints if names(wanted, endpoint)]
    if not found:
        yield Judgement("endpoint-not-found", Subject(f"endpoint {wanted}"), {"endpoint": wanted})
    for endpoint in found:
        ports = _ports(context, endpoint, mark)
        for port in ports:
            yield context.encryption.port(endpoint, port, mark.protocol)
        if not ports:
            asked = ", ".join(map(str, mark.ports)) or "all"
            parameters = {"endpoint": endpoint.id, "ports": f"{asked}/{mark.protocol}"}
            subject = Subject(endpoint.id, endpoint.namespace)
            yield Judgement("port-not-found", subject, parameters, endpoint.evidence)


def _ports(context: Context, endpoint: Endpoint, mark: AdministrativeAccess) -> list[int]:
    """The declared ports that a mark names, and those that it names one by one."""
    declared = {
        port for port, protocol in context.facts.services.ports_of(endpoint) if protocol == mark.protocol
    }
    named = {low for low, high in mark.ranges if low == high}
    return sorted(
        named | {port for port in declared if any(low <= port <= high for low, high in mark.ranges)}
    )


def _by_port(exposures: Iterable[Exposure]) -> _Exposures:
    found: dict[tuple[str, int, str], dict[Exposure, None]] = {}
    for exposure in exposures:
        for target in exposure.targets:
            found.setdefault((target.endpoint.id, target.port, exposure.protocol), {})[exposure] = None
    return {key: tuple(entries) for key, entries in found.items()}


def _reached(context: Context, row: PortProtection, by_port: _Exposures) -> _Port:
    exposures = by_port.get((row.endpoint.id, row.port, row.protocol), ())
    gateway = context.encryption.membership(row.endpoint).gateway or any(e.controller for e in exposures)
    return _Port(
        row,
        context.facts.incoming_flows.into(row),
        exposures,
        gateway and not row.proxy_port,
        bool(exposures) and _open_outside(context, row),
    )


def _open_outside(context: Context, row: PortProtection) -> bool:
    flows = context.network.flows_into(row.endpoint, context.network.externals)
    return any(
        ports.contains(row.port, row.protocol)
        for flow in flows
        for ports in (flow.allowed, flow.declared_not_enforced, *(ports for ports, _ in flow.conditional))
    )


def _judge(port: _Port, wanted: str) -> Judgement:
    row, code = port.row, _code(port, wanted)
    worst = {"flow-in-plaintext": "plaintext", "indeterminate.flow": "unknown"}.get(code)
    shown = [flow for flow in port.flows if flow.result == worst] or list(port.flows)
    causes = [cause for flow in shown for cause in flow.example.causes] if shown else list(row.causes)
    parameters: dict[str, Any] = {
        **about(row),
        "wanted": wanted,
        "sources": [s.id for s in first_by_name(source for flow in shown for source in flow.sources)],
        "source_count": sum(flow.count for flow in shown),
        "ways": sorted(
            {f"{exposure.way} {exposure.port}/{exposure.protocol}" for exposure in port.exposures}
        ),
        "causes": told.causes([*causes, *row.causes]),
        "flows": [told_flow(row, flow) for flow in port.flows],
    }
    evidence = (
        *row.evidence,
        *(item for flow in shown for item in (*flow.sources[0].evidence, *flow.example.evidence)),
        *(item for exposure in port.exposures for item in exposure.evidence),
        *told.rule_evidence(rule for flow in port.flows for rule in flow.rules),
    )
    return Judgement(
        code, Subject(row.subject, row.endpoint.namespace), parameters, tuple(dict.fromkeys(evidence))
    )


def _code(port: _Port, wanted: str) -> str:
    row = port.row
    if port.gateway:
        return "indeterminate.gateway"
    if row.label is Protection.DENIED:
        return "nothing-may-connect"
    if row.label in _REFUSES_PLAINTEXT:
        return _by_version(row, wanted, "plaintext-refused")
    results = {flow.result for flow in port.flows}
    if "plaintext" in results:
        return "flow-in-plaintext"
    if port.exposures:
        return _exposed(port)
    if "unknown" in results:
        return "indeterminate.flow"
    if not results:
        return "no-way-known"
    in_plain = any(flow.example.wire is Wire.PLAINTEXT and flow.result != "refused" for flow in port.flows)
    return "encrypted-between-nodes" if in_plain else _by_version(row, wanted, "flows-encrypted")


def _exposed(port: _Port) -> str:
    if port.row.record.plaintext_accepted is not Tri.YES:
        return "indeterminate.flow"
    return "plaintext-from-outside" if port.outside else "indeterminate.exposure"


def _by_version(row: PortProtection, wanted: str, passed: str) -> str:
    enough = is_at_least(row.minimum_tls, wanted)
    return {Tri.YES: passed, Tri.NO: "old-tls"}.get(enough, "indeterminate.version")
