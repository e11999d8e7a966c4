"""Why a layer or a verdict says what it says: the closed list of codes and their English sentences."""

from string import Formatter

from auditor.model.verdict import Cause

REASONS: dict[str, str] = {
    # what a layer decided
    "rule-allows": "a rule of {policy} allows it",
    "rule-denies": "a rule of {policy} denies it",
    "rule-passes": "a rule of {policy} passes it on to the next tier",
    "rule-limits": "a rule of {policy} lets only part of the traffic through",
    "selected-nothing-matches": "policies select the pod in this direction and none of their rules matches",
    "not-selected": "no policy of this layer selects the pod in this direction",
    "nothing-matches": "policies of this layer select the pod and none of their rules matches, so the next layer decides",
    "not-reached": "an earlier layer has decided",
    "default-allow": "no layer decided, and Kubernetes allows what nothing denies",
    "no-subject": "{peer} is not subject to network policies: {why}",
    "own-node": "traffic between a pod and its own node ({node}) is exempt from policy",
    "self": "a pod always reaches itself",
    "host-network": "{endpoint} uses the network of its node, which policies for pods do not govern",
    # what decides is not enforced
    "not-enforced": "{layer} is declared, but nothing enforces it: {why}",
    "not-enforced-on-node": "{layer} is not enforced on {node}: its agent is not ready there",
    # conditions
    "conditional.l7": "allowed only for requests that match {detail}",
    "conditional.fqdn": "allowed only for addresses that {detail} resolves to when the traffic flows",
    "conditional.external-authorizer": "the external authorizer {provider} decides for each request",
    "conditional.identity": "allowed only for clients with the identity {detail}",
    "conditional.source-port": "allowed only from some ports of the client",
    # what cannot be told
    "indeterminate.enforcement-unknown": "it is unknown whether anything enforces {layer}: {why}",
    "indeterminate.invalid-policy": "{policy} is invalid: {problem}",
    "indeterminate.unsupported-layer": "{policy} belongs to a policy system that this version does not evaluate",
    "indeterminate.equal-priority": "policies of equal priority disagree: {policies}",
    "indeterminate.namespace-labels": "the labels of a namespace are not in the evidence",
    "indeterminate.calico-labels": "labels or addresses that Calico's selectors look at are not in the evidence",
    "indeterminate.cilium-api-server": "the addresses of the API server are not in the evidence",
    "indeterminate.cilium-cidr-group": "a CIDR group that the policy names is not in the evidence",
    "indeterminate.cilium-cloud-group": "the addresses of a cloud provider's group are not in the evidence",
    "indeterminate.mesh-identity": "whether the client's connections carry a mesh identity is not in the evidence",
    "indeterminate.istio-waypoint": "{policy} is enforced by a waypoint, which this version does not follow",
    "indeterminate.ztunnel-request": "releases of ztunnel differ in what a DENY that asks for requests does",
    "indeterminate.destination-address": "the rule looks at the receiver's address",
    "indeterminate.linkerd-default": "the default inbound policy of Linkerd is not in the evidence",
    "indeterminate.ip-version": "the rule is about one IP version, and the pods may use both",
    "indeterminate.pod-address": "the address of a pod is not in the evidence, and {block} may hold it",
    "indeterminate.address-reading": "it is unknown whether the network agent matches pods or nodes by address",
    "indeterminate.node-placement": "it is unknown on which node the pods run, and a pod's own node is exempt from policy",
    "indeterminate.node-labels": "the labels or addresses of a node are not in the evidence",
    "indeterminate.protocol-undefined": "the policies that select the pod leave {protocol} undefined",
    "indeterminate.named-port": "the port named {name} cannot be resolved",
    "indeterminate.undecided": "the layers give no single answer",
    # problems of policies
    "invalid.selector": "an invalid label selector",
    "invalid.port": "an invalid port",
    "invalid.cidr": "an invalid address block",
    "invalid.peer": "an invalid peer",
    "invalid.rule": "an invalid rule",
    "invalid.spec": "an invalid specification",
    "invalid.unknown-peer": "a peer of an unknown type: the rule fails closed",
    "invalid.equal-priority": "a priority that another policy of the tier has as well",
    "invalid.reference": "a reference to something that does not exist",
    "unsupported.layer": "a policy system that this version does not evaluate",
    "unsupported.feature": "a feature that this version does not evaluate",
    # policies without effect
    "inert.staged": "a staged policy is not enforced",
    "inert.dry-run": "a policy in dry-run is not enforced",
    "inert.audit": "an AUDIT policy enforces nothing",
    "inert.host-endpoint": "it is about host endpoints, which are outside the model",
    "inert.host-policy": "it selects nodes, which are outside the model",
    # how address blocks are read
    "reading.any-address": "an address block of a NetworkPolicy matches pods and nodes by their addresses too",
    "reading.outside": "cilium enforces, so an address block of a NetworkPolicy matches nothing inside the cluster",
    "reading.outside-and-nodes": "cilium enforces, so an address block matches nodes, but no pods inside the cluster",
    "reading.several-agents": "several network agents enforce, and they read address blocks differently",
    # why everything was computed again after a change
    "anew.kind": "it changes objects that are no policies ({kinds})",
    "anew.endpoints": "it tells pods of one workload apart, or no longer does",
    "anew.addresses": "it names addresses of a kind that no rule named before, or all of a range",
    "anew.protocols": "it names a protocol that no rule named before, or the last rule that named one goes",
    "anew.namespaces": "namespaces are compared as wholes",
    "anew.layer": "it brings a policy system into play, or takes the last policy of one away",
    # where it is enforced
    "enforced.agent": "{agent} is ready on every node",
    "enforced.proxies": "the proxies of the receivers enforce it",
    "unenforced.no-agent": "no agent that enforces it was found among the pods",
    "unenforced.flannel": "flannel alone does not enforce network policies",
    "unenforced.switched-off": "{agent} is configured not to enforce it ({setting})",
    "unenforced.other-agent": "{agent} is in charge and does not know these policies",
    "unenforced.no-data-plane": "no receiver is in the mesh's data plane",
    "unknown.data-plane": "whether its pods have a proxy of the mesh is not in the evidence",
    "unknown.no-agent-evidence": "the evidence holds no pods of a network agent",
    "unknown.in-process": "{agent} may enforce it in its own process, which no pod shows",
    "unknown.support": "whether this version of {agent} implements it is unknown",
    "unknown.mode": "{agent} enforces it in some of its modes, and the mode is not in the evidence",
    "unknown.setting": "the setting {setting} of {agent} is not in the evidence",
    "unknown.not-ready": "{agent} is not ready on every node",
}
"""Code to English sentence with {parameters}; the sentences are translated when they are rendered."""


def cause(code: str, **parameters: str) -> Cause:
    """A cause of the closed list. Raises KeyError for a code that isn't on it: a typo in our own code."""
    REASONS[code]
    return Cause(code, tuple(sorted(parameters.items())))


def sentence(reason: Cause) -> str:
    """The English sentence of a cause, with its parameters filled in."""
    known = dict(reason.parameters)
    return REASONS[reason.code].format_map({**dict.fromkeys(_names(reason.code), "?"), **known})


def _names(code: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(REASONS[code]) if name]
