"""What a check gets to see: the engines, and the cluster as one framework's scope divides it."""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property

from auditor.checks.approved_flows import ApprovedFlows
from auditor.checks.definition import Judgement
from auditor.checks.flow_register import FlowRegister
from auditor.checks.incoming_flows import IncomingFlows
from auditor.encryption.certificates import (
    CertificateFact,
    HostCertificate,
    certificates,
    host_certificates,
)
from auditor.encryption.entry_points import (
    EntryPoint,
    Exposure,
    entry_points,
    exposures,
    with_backend_protection,
)
from auditor.encryption.protection import Encryption
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint, list_endpoints
from auditor.inventory.scoping import ScopeView
from auditor.inventory.services import Services
from auditor.model.evidence import Snapshot
from auditor.model.finding import Exclusion, Reason, Subject
from auditor.model.outcome import Outcome
from auditor.model.scope import Classification, Scope, ScopeClass
from auditor.model.verdict import Tri
from auditor.network.connectivity import Connectivity


class Facts:
    """The engines over one snapshot, each built when first asked for and shared by all checks and scope views."""

    def __init__(self, snapshot: Snapshot, scope: Scope | None, now: datetime) -> None:
        self.snapshot = snapshot
        self.scope = scope
        self.now = now
        self.cluster = Cluster(snapshot)

    @cached_property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint, sorted by id."""
        return list_endpoints(self.cluster)

    @cached_property
    def services(self) -> Services:
        """Services as ways to endpoints."""
        return Services(self.cluster, self.endpoints)

    @cached_property
    def network(self) -> Connectivity:
        """Who can reach whom."""
        networks = self.scope.external_networks if self.scope else []
        named = [(network.name, tuple(network.cidrs)) for network in networks]
        return Connectivity(self.cluster, self.endpoints, self.services, named)

    @cached_property
    def encryption(self) -> Encryption:
        """What protects each port."""
        return Encryption(self.cluster, self.endpoints, self.services)

    @cached_property
    def entry_points(self) -> tuple[EntryPoint, ...]:
        """Ways in that a controller serves."""
        return with_backend_protection(entry_points(self.cluster, self.services), self.encryption.port)

    @cached_property
    def exposures(self) -> tuple[Exposure, ...]:
        """Ways in at layer 4: LoadBalancer, NodePort, externalIPs, hostPort."""
        return exposures(self.cluster, self.services, self.endpoints)

    @cached_property
    def certificates(self) -> tuple[CertificateFact, ...]:
        """Every certificate that the evidence describes, as it stands at the time of evaluation."""
        return certificates(self.cluster, self.now)

    @cached_property
    def host_certificates(self) -> tuple[HostCertificate, ...]:
        """For each way in that ends TLS, the certificate that serves it."""
        return host_certificates(self.entry_points, self.certificates)

    @cached_property
    def incoming_flows(self) -> IncomingFlows:
        """What policy lets into each port from other nodes, and how it is protected on the way."""
        return IncomingFlows(self.network, self.encryption, self.endpoints)

    @cached_property
    def approved_flows(self) -> ApprovedFlows:
        """The approved flows of the scope file, held against what may connect."""
        return ApprovedFlows(self.network, self.scope)

    @cached_property
    def components(self) -> tuple[str, ...]:
        """What was recognised: network agents, meshes, ingress controllers; sorted."""
        meshes = self.encryption.meshes
        found = {row.by for row in self.network.enforcement if row.by}
        found |= {row.controller for row in self.entry_points if row.controller}
        found |= {
            name for name, there in (("Istio", meshes.istio), ("Linkerd", meshes.linkerd)) if there is Tri.YES
        }
        return tuple(sorted(found))


SCOPE_UNDECIDED = Reason(
    "indeterminate.scope-undecided",
    Outcome.NOT_EVALUATED,
    "The scope file classifies namespace {namespace} by its labels, and its Namespace object is not in the evidence.",
    final=True,
)
"""A label selector without a Namespace object to look at is NOT_EVALUATED (contracts, Scope)."""

ENTRY_SCOPE = Reason(
    "indeterminate.entry-scope",
    Outcome.NOT_EVALUATED,
    "Whether {subject} leads into scope can't be told: nothing known of it does, and {kinds} may be missing.",
    final=True,
)
"""An entry point may only be left out when everything behind it is known (contracts, Incomplete evidence)."""

ScopedEndpoint = tuple[Endpoint, Classification]


class Context:
    """The facts as one framework's scope divides them."""

    def __init__(self, facts: Facts, view: ScopeView) -> None:
        self.facts = facts
        self.view = view

    @property
    def cluster(self) -> Cluster:
        """The indexed snapshot."""
        return self.facts.cluster

    @property
    def network(self) -> Connectivity:
        """Who can reach whom."""
        return self.facts.network

    @property
    def encryption(self) -> Encryption:
        """What protects each port."""
        return self.facts.encryption

    @property
    def scope(self) -> Scope | None:
        """The scope file, if one was given."""
        return self.facts.scope

    @cached_property
    def classified(self) -> tuple[ScopedEndpoint, ...]:
        """Every endpoint with its class."""
        return tuple((endpoint, self.view.of_endpoint(endpoint)) for endpoint in self.facts.endpoints)

    @cached_property
    def flow_register(self) -> FlowRegister:
        """What may connect into and out of scope."""
        return FlowRegister(self)

    @cached_property
    def out_of_scope(self) -> frozenset[str]:
        """Ids of the endpoints that the scope file places out of scope."""
        return frozenset(e.id for e, c in self.classified if c.class_ is ScopeClass.OUT_OF_SCOPE)

    @cached_property
    def in_scope(self) -> frozenset[str]:
        """Ids of the endpoints that are in scope or that nothing places elsewhere."""
        return frozenset(e.id for e, c in self.classified if c.judged_in_scope)

    def population(self) -> Iterator[Endpoint | Judgement | Exclusion]:
        """Every endpoint in scope; for the others why they are not evaluated, or that this cannot be told."""
        for endpoint, classification in self.classified:
            verdict = not_judged(Subject(endpoint.id, endpoint.namespace), classification)
            yield endpoint if verdict is None else verdict

    def of_namespace(self, subject: Subject) -> Judgement | Exclusion | None:
        """Why an object is not evaluated, by its namespace's class; None when it is."""
        return not_judged(subject, self.view.of_namespace(subject.namespace))


def not_judged(subject: Subject, classification: Classification) -> Judgement | Exclusion | None:
    """The judgement or exclusion of a subject that scope keeps out of a control; None when it is to be judged."""
    if classification.undecided:
        return Judgement(SCOPE_UNDECIDED.code, subject, {"namespace": subject.namespace})
    if classification.judged_in_scope:
        return None
    return Exclusion(subject.id, str(classification.class_))
