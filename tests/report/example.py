"""A result written by hand: a shop with a card vault, with planted faults, gaps and passes, in three frameworks.

Controls and requirements come from the catalogue, so that their texts have the length that texts have; findings,
populations and evidence are made up here, and the tests know them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from auditor.catalog.catalogue import Catalogue, load_catalogue
from auditor.collect.catalogue_files import packaged_controls, packaged_frameworks
from auditor.evaluate.requirements import requirement_statuses
from auditor.model import result as r
from auditor.model.outcome import Outcome, Status, aggregate
from auditor.model.scope import ApprovedFlow, ExternalNetwork, ScopeClass

FRAMEWORKS = ("pci-dss-4.0.1", "hipaa", "gdpr")
PAYMENTS = ("checkout", "fraud-score", "gateway", "ledger", "refunds", "settlement")
VAULT = ("hsm-proxy", "tokenizer", "vault-api")
OUTSIDE = ("analytics/Deployment/etl", "analytics/Deployment/dashboards", "storefront/Deployment/web")
SCOPED = [*(f"payments/Deployment/{n}" for n in PAYMENTS), *(f"card-vault/Deployment/{n}" for n in VAULT)]
VAULT_DB = "card-vault/StatefulSet/vault-db"
CLASSES = {
    "analytics": ScopeClass.OUT_OF_SCOPE,
    "card-vault": ScopeClass.IN_SCOPE,
    "ingress-nginx": ScopeClass.CONNECTED_TO,
    "istio-system": ScopeClass.SECURITY_IMPACTING,
    "kube-system": ScopeClass.SECURITY_IMPACTING,
    "newcomer": ScopeClass.UNCLASSIFIED,
    "payments": ScopeClass.IN_SCOPE,
    "storefront": ScopeClass.OUT_OF_SCOPE,
}
POLICY = "card-vault/NetworkPolicy/vault-db"


def digest(text: str) -> str:
    """A hash that looks like one and stays the same."""
    return hashlib.sha256(text.encode()).hexdigest()


def finding(
    control: str,
    subject: str,
    outcome: Outcome,
    reason: str,
    message: str,
    *,
    parameters: dict[str, Any] | None = None,
    evidence: Iterable[str] = (),
    remedy: str = "",
    check: str = "",
    frameworks: Iterable[str] = FRAMEWORKS,
) -> r.FindingResult:
    """One finding; `evidence` are names of objects."""
    return r.FindingResult(
        id=digest(f"{control} {subject} {reason}")[:16],
        control=control,
        check=check or control,
        subject=subject,
        namespace=subject.partition("/")[0] if "/" in subject else "",
        outcome=outcome,
        reason=reason,
        parameters=parameters or {},
        message=message,
        remedy=remedy,
        evidence=[digest(name) for name in evidence],
        frameworks=list(frameworks),
    )


def _isolation() -> Iterator[r.FindingResult]:
    flow = {
        "source": "analytics/Deployment/etl",
        "protocol": "TCP",
        "ports": [[5432, 5432]],
        "verdict": "allowed",
        "decided_by": [{"object": POLICY, "rule": "ingress[0]"}],
    }
    yield finding(
        "scoped-namespace-isolation",
        VAULT_DB,
        Outcome.FAIL,
        "reachable",
        f"analytics/Deployment/etl may connect to {VAULT_DB} on 5432/TCP: out of scope, and not an approved flow.",
        parameters={"flows": [flow], "port": 5432},
        evidence=[POLICY],
        remedy="Narrow the rules that let these sources in, or approve the flow with its business need.",
    )
    for name in SCOPED:
        text = f"Nothing out of scope may connect to {name}."
        yield finding("scoped-namespace-isolation", name, Outcome.PASS, "isolated", text)


def _plaintext() -> Iterator[r.FindingResult]:
    for number, name in enumerate(SCOPED):
        subject = f"{name}:8080/TCP"
        if number % 3 == 0:
            text = f"{subject} accepts plaintext (PERMISSIVE): the mesh-wide mode applies."
            decided = [
                {"object": "istio-system/PeerAuthentication.security.istio.io/default", "rule": "spec.mtls"}
            ]
            yield finding(
                "istio-plaintext-refused",
                subject,
                Outcome.FAIL,
                "accepts-plaintext",
                text,
                parameters={"mode": "PERMISSIVE", "decided_by": decided},
                evidence=["istio-system/PeerAuthentication.security.istio.io/default"],
                remedy="Set mode STRICT for the workload.",
            )
        else:
            text = f"{subject} refuses plaintext (STRICT)."
            yield finding("istio-plaintext-refused", subject, Outcome.PASS, "refuses-plaintext", text)


def _undecided() -> Iterator[r.FindingResult]:
    cause = "NetworkPolicy: collected only for payments"
    for name in SCOPED:
        yield finding(
            "default-deny-egress",
            name,
            Outcome.NOT_EVALUATED,
            "incomplete-evidence",
            f"On the evidence at hand {name} would be PASS, but what is missing could reverse that: {cause}.",
            parameters={"causes": cause, "kinds": ["NetworkPolicy.networking.k8s.io"]},
        )


def _others() -> Iterator[r.FindingResult]:
    yield finding(
        "linkerd-plaintext-refused",
        "cluster",
        Outcome.NOT_APPLICABLE,
        "no-mesh",
        "Linkerd is not installed.",
    )
    yield finding(
        "ingress-tls",
        "cluster",
        Outcome.ERROR,
        "error.check-failed",
        "The check stopped with an internal error (KeyError: 'spec'); its subjects are not evaluated.",
        parameters={"error": "KeyError: 'spec'"},
    )
    for name in SCOPED:
        text = f"Policies deny connections to {name} that no rule allows."
        yield finding("default-deny-ingress", name, Outcome.PASS, "denied", text)


def all_findings() -> list[r.FindingResult]:
    """Every finding, sorted as the evaluation sorts them."""
    found = [*_isolation(), *_plaintext(), *_undecided(), *_others()]
    return sorted(found, key=lambda entry: (entry.control, entry.check, entry.subject, entry.reason))


def _evidence() -> list[r.EvidenceItem]:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "vault-db", "namespace": "card-vault"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "vault-db"}},
            "ingress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 5432}]}],
        },
    }
    mesh = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": "istio-system"},
        "spec": {"mtls": {"mode": "PERMISSIVE"}},
    }
    named = {POLICY: policy, "istio-system/PeerAuthentication.security.istio.io/default": mesh}
    return [
        r.EvidenceItem(
            id=digest(name),
            object=name,
            kind=str(body["kind"]),
            source=f"{str(body['kind']).lower()}.yaml#1",
            resource_version="88213907",
            completeness="complete",
            redactions=[],
            excerpt=body,
        )
        for name, body in named.items()
    ]


def _scope() -> r.ScopeResult:
    flow = ApprovedFlow(
        id="F-1",
        source="storefront/Deployment/web",
        destination="payments/Deployment/checkout",
        services=[{"protocol": "TCP", "ports": [8443]}],
        business_need="Customers pay at checkout.",
        approved_by="M. Achterberg",
        approved_on="2026-07-02",
    )
    return r.ScopeResult(
        file="scope.yaml",
        sha256=digest("scope"),
        organisation="Harbour Pay Ltd",
        assessor="Quayside Assessors",
        entity="merchant",
        marking="Confidential",
        distribution="Security office; assessor",
        namespaces=[
            r.NamespaceClass(
                namespace=namespace,
                framework=framework,
                class_=_class(namespace, framework),
                rule=0,
                undecided=False,
                reason="Reads no card data." if namespace == "analytics" else None,
            )
            for namespace in CLASSES
            for framework in FRAMEWORKS
        ],
        external_networks=[ExternalNetwork(name="acquirer", cidrs=["203.0.113.0/24"], trust="third-party")],
        approved_flows=[flow],
    )


def diagram_edge(
    source: str,
    destination: str,
    services: str,
    *,
    verdict: str = "allowed",
    encryption: str = "encrypted",
    approved: str = "not-needed",
    entry: bool = False,
) -> r.DiagramEdge:
    """One edge of the network diagram."""
    return r.DiagramEdge.model_validate(
        {
            "source": source,
            "destination": destination,
            "services": [{"verdict": verdict, "services": services}],
            "encryption": encryption,
            "approved": approved,
            "entry": entry,
        }
    )


def _diagram() -> r.DiagramResult:
    """The customers' way to checkout, the ledger's to the vault, and the planted way of analytics into the vault."""
    counts = {"analytics": 2, "card-vault": 4, "payments": 6, "storefront": 1, "ingress-nginx": 1}
    return r.DiagramResult(
        boxes=[
            r.DiagramBox.model_validate(
                {"id": name, "class": CLASSES[name], "workloads": counts.get(name, 1)}
            )
            for name in sorted(CLASSES)
        ],
        outside=[
            r.DiagramOutside(id="outside/acquirer", name="acquirer"),
            r.DiagramOutside(id="outside/internet", name="internet"),
        ],
        edges=[
            diagram_edge("analytics", "card-vault", "5432/TCP", encryption="plaintext", approved="no"),
            diagram_edge("ingress-nginx", "payments", "8443/TCP", approved="no", entry=True),
            diagram_edge("outside/internet", "ingress-nginx", "8443/TCP", entry=True),
            diagram_edge("payments", "card-vault", "8080/TCP"),
            diagram_edge("payments", "outside/acquirer", "443/TCP", encryption="unknown", approved="yes"),
            diagram_edge("payments", "payments", "8080/TCP", encryption="plaintext"),
            diagram_edge("storefront", "payments", "8443/TCP", approved="yes", verdict="conditional"),
        ],
        edges_left_out=0,
    )


def register_flow(
    number: int,
    standing: r.Standing,
    source: str,
    destination: str,
    services: str,
    *,
    direction: str = "in",
    verdict: str = "allowed",
    encryption: str = "encrypted",
    approved_by: Iterable[str] = (),
    decided_by: str = POLICY,
) -> r.RegisterFlow:
    """One row of the flow register, of one source and one destination."""
    return r.RegisterFlow.model_validate(
        {
            "number": number,
            "frameworks": ["gdpr", "pci-dss-4.0.1"],
            "direction": direction,
            "sources": [source],
            "destinations": [destination],
            "services": services,
            "ports": [],
            "verdict": verdict,
            "standing": standing,
            "approved_by": list(approved_by),
            "encryption": encryption,
            "causes": [],
            "decided_by": [{"object": decided_by, "rule": "ingress[0]"}] if decided_by else [],
        }
    )


def register(flows: list[r.RegisterFlow], approvals: list[r.RegisterApproval]) -> r.RegisterResult:
    """A register with its counts."""
    counts = Counter(flow.standing for flow in flows)
    return r.RegisterResult(
        flows=flows, approvals=approvals, counts={standing: counts[standing] for standing in r.Standing}
    )


def register_approval(id_: str, **changes: Any) -> r.RegisterApproval:
    """An approved flow that is possible, unless something else is said."""
    fields: dict[str, Any] = {
        "id": id_,
        "frameworks": ["gdpr", "pci-dss-4.0.1"],
        "possible": "yes",
        "services": "8443/TCP",
        "impossible": "",
        "undecided": "",
        "unknown": [],
        "review_overdue": False,
        "encryption": "encrypted",
        "flows": [],
        "causes": [],
    }
    return r.RegisterApproval.model_validate({**fields, **changes})


def _register() -> r.RegisterResult:
    """What analytics may do to the vault that nobody approved, and the one flow that somebody did."""
    etl, web, checkout = (
        "analytics/Deployment/etl",
        "storefront/Deployment/web",
        "payments/Deployment/checkout",
    )
    flows = [
        register_flow(1, r.Standing.UNAPPROVED, etl, VAULT_DB, "5432/TCP", encryption="plaintext"),
        register_flow(2, r.Standing.APPROVED, web, checkout, "8443/TCP", approved_by=["F-1"]),
    ]
    return register(flows, [register_approval("F-1", flows=[2])])


def _class(namespace: str, framework: str) -> ScopeClass:
    return ScopeClass.OUT_OF_SCOPE if framework == "hipaa" else CLASSES[namespace]


def _controls(catalogue: Catalogue, findings: list[r.FindingResult]) -> list[r.ControlResult]:
    found = []
    for name in sorted({entry.control for entry in findings}):
        control = catalogue.controls[name].value
        counts = Counter(entry.outcome for entry in findings if entry.control == name)
        found.append(
            r.ControlResult(
                **control.model_dump(
                    include={
                        "id",
                        "title",
                        "severity",
                        "automation",
                        "objective",
                        "why_it_matters",
                        "limitations",
                        "remediation",
                    }
                ),
                outcome=aggregate(counts),
                counts={outcome: counts[outcome] for outcome in Outcome},
                checks=[use.check for use in control.checks],
                requirements=[r.MappingResult(**mapping.model_dump()) for mapping in control.requirements],
            )
        )
    return found


def _populations(findings: list[r.FindingResult]) -> list[r.PopulationResult]:
    left_out = [r.ExclusionResult(subject=name, reason="out-of-scope") for name in OUTSIDE]
    return [
        r.PopulationResult(
            control=name,
            listed=len(mine) + len(left_out),
            evaluated=len(mine),
            excluded=left_out,
        )
        for name in sorted({entry.control for entry in findings})
        if (mine := [entry for entry in findings if entry.control == name])
    ]


def _requirements(catalogue: Catalogue, controls: list[r.ControlResult]) -> list[r.RequirementResult]:
    outcomes = {(framework, c.id): c.outcome for framework in FRAMEWORKS for c in controls}
    return [
        r.RequirementResult(
            framework=entry.framework,
            **entry.requirement.model_dump(
                include={
                    "id",
                    "section",
                    "title",
                    "text",
                    "automation",
                    "because",
                    "manual_steps",
                    "designation",
                    "note",
                }
            ),
            status=entry.status,
            status_reason=entry.because,
            controls=[
                r.RequirementControl(control=c.control, strength=c.strength, outcome=c.outcome)
                for c in entry.controls
            ],
        )
        for entry in requirement_statuses(catalogue, FRAMEWORKS, outcomes, "merchant")
    ]


def _frameworks(catalogue: Catalogue, requirements: list[r.RequirementResult]) -> list[r.FrameworkResult]:
    return [
        r.FrameworkResult(
            **catalogue.frameworks[name].model_dump(include={"id", "title", "version", "wording", "source"}),
            sections=[(section.id, section.title) for section in catalogue.frameworks[name].sections],
            counts={
                status: sum(e.framework == name and e.status is status for e in requirements)
                for status in Status
            },
        )
        for name in FRAMEWORKS
    ]


def _kinds() -> list[r.KindEvidence]:
    known = [
        ("", "Pod", "pods", 41, "complete"),
        ("networking.k8s.io", "NetworkPolicy", "networkpolicies", 7, "partial"),
    ]
    return [
        r.KindEvidence(
            group=group,
            kind=kind,
            resource=resource,
            objects=objects,
            completeness=state,
            cause="" if state == "complete" else "collected only for payments",
            requests=[f"kubectl get {resource} -A -o yaml"],
            read=True,
        )
        for group, kind, resource, objects, state in known
    ]


def example(findings: list[r.FindingResult] | None = None, **changes: Any) -> r.AuditResult:
    """The whole result, with other findings or with some of its parts changed."""
    found = all_findings() if findings is None else findings
    catalogue = load_catalogue(packaged_controls(), packaged_frameworks())
    controls = _controls(catalogue, found)
    requirements = _requirements(catalogue, controls)
    parts: dict[str, Any] = {
        "title": "Network controls evidence report",
        "tool": r.Tool(
            name="auditor", version="0.1.0", command=["auditor", "audit", "snapshot", "--out", "out"]
        ),
        "run": r.Run(
            evaluated_at="2026-10-01T08:00:00Z",
            collected_at="2026-09-30T02:00:00Z",
            collected_by="system:serviceaccount:audit:collector",
            period="2026-Q3",
            assume_complete=None,
            frameworks=list(FRAMEWORKS),
            complete=False,
        ),
        "cluster": r.ClusterResult(
            name="eu-prod-1",
            uid="6f1c2b7e-0000-4000-8000-000000009d04",
            nodes=12,
            namespaces=len(CLASSES),
            pods=41,
            endpoints=14,
            components=["Calico 3.32", "Istio 1.30"],
        ),
        "scope": _scope(),
        "diagram": _diagram(),
        "flow_register": _register(),
        "inputs": [
            r.Input(path=name, size=len(name) * 1000, sha256=digest(name), objects=7, problem=None)
            for name in ("networkpolicies.networking.k8s.io.yaml", "pods.yaml", "snapshot.yaml")
        ],
        "kinds": _kinds(),
        "evidence": _evidence(),
        "redactions": [r.RedactionResult(object="payments/Secret/db", fields=["data"], reason="Secret")],
        "frameworks": _frameworks(catalogue, requirements),
        "controls": controls,
        "populations": _populations(found),
        "findings": found,
        "requirements": requirements,
        "assumptions": [],
        "limitations": ["Policy shows what may connect, not what did connect."],
    }
    return r.AuditResult(**{**parts, **changes})
