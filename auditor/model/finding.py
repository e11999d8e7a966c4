"""Findings, populations, and the closed lists of reasons behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auditor.model.kinds import KindKey
from auditor.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Reason:
    """One entry of a check's closed list of reasons.

    `sentence` is the English source of the message, with `{parameter}` places; it is translated and filled when
    it is rendered, never before. `final` reasons hold whatever objects are missing from the evidence.
    """

    code: str
    outcome: Outcome
    sentence: str
    final: bool = False
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A kind that a check reads, and which outcomes an object missing from the evidence could reverse.

    `could_pass`: a missing object could turn FAIL into PASS; `could_fail`: PASS into FAIL. `subjects`: the
    population is made of this kind, so that an empty population is only known when the kind is complete.
    `in_namespace`: only objects in the subject's own namespace matter to it. ConfigMaps are not declared here:
    an engine that needs one answers *unknown* without it.
    """

    key: KindKey
    could_pass: bool = False
    could_fail: bool = False
    subjects: bool = False
    in_namespace: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What a finding is about: an endpoint, an endpoint's port, an object, or the cluster.

    `id` follows the contract (`namespace/Kind/name`, with `:port/PROTOCOL` for a port); `namespace` is `""` for
    cluster-wide subjects.
    """

    id: str
    namespace: str = ""


CLUSTER_SUBJECT = Subject("cluster")


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """The outcome of one check of one control for one subject.

    `parameters` are JSON values that the reason's sentence names, and further detail (`flows`, `decided_by`) that
    the report lists. `evidence` are ids of evidence items. `frameworks` are those under whose scope it was found.
    """

    control: str
    check: str
    subject: Subject
    outcome: Outcome
    reason: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Exclusion:
    """A subject that was listed and not evaluated, with a reason code from a closed list."""

    subject: str
    reason: str


EXCLUSION_REASONS: dict[str, str] = {
    "out-of-scope": "the scope file places it out of scope",
    "host-network": "it uses the node's network, which these policies do not govern; judged by its own control",
    "not-in-mesh": "it is outside this mesh; judged by mesh membership and by protection in transit",
    "mesh-control-plane": "it is part of the mesh's own control plane",
    "mesh-gateway": "it is a mesh gateway: its listeners are judged by the controls on entry points",
    "mesh-proxy-port": "the mesh proxy itself opens it (metrics, health), not the application",
    "no-client": "no workload in a mesh may use it",
    "trusted-network": "every address that it leads to is in a network that the scope file marks as trusted",
    "no-meshed-service": "its host names no service of a workload in the mesh",
    "connected-to": "the scope file names it as connected-to, not as holding scoped data",
    "security-impacting": "the scope file names it as security-impacting, not as holding scoped data",
    "serves-nothing-scoped": "it serves no host that leads into scope, and no mesh that scoped workloads are in",
    "inert": "it has no effect (staged, or about nodes only); judged by the control on policies that select nothing",
    "selects-nothing": "it selects no pod; judged by the control on policies that select nothing",
    "ends-no-tls": "it ends no TLS: it takes plaintext, redirects or serves nothing; judged by the controls on entry points",
    "serves-nothing": "it serves nothing, or only redirects",
    "not-captured-protocol": "the mesh handles TCP only; judged by protection in transit",
}
"""The closed list of reasons why a listed subject was not evaluated."""


@dataclass(frozen=True, slots=True)
class Population:
    """What a control looked at: listed = evaluated + excluded, by subject id."""

    control: str
    listed: int
    evaluated: int
    excluded: tuple[Exclusion, ...] = ()
