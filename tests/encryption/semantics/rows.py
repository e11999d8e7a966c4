"""The decision table of encryption in transit, row by row, in our own words; every row has a named case.

Sections: 1 Istio (a membership and capture, b inbound mode, c client side, d authorization, e gateway servers), 2 Linkerd,
3 encryption by the network plugin, 5 enforcement by the network plugin, 8 mistakes that tools make.
"""

from dataclasses import dataclass
from typing import Any

import pytest

ROWS: dict[str, str] = {
    "1a.sidecar": "istio-proxy among containers, or among init containers as a native sidecar; gateways by their template",
    "1a.ambient": "the redirection annotation says enabled; pending is not protected",
    "1a.ambient-expected": "labels ask for ambient mode, the pod's before the namespace's",
    "1a.webhook": "whether the injector's webhook is called follows from its real selectors",
    "1a.injected": "what the injector does once called: network, namespace, label, annotation, selectors, policy",
    "1a.tcp-only": "a sidecar captures TCP alone",
    "1a.interception-none": "interceptionMode NONE captures nothing",
    "1a.include": "a port that is absent from includeInboundPorts bypasses; an empty list captures none",
    "1a.exclude": "excludeInboundPorts counts only while everything is included",
    "1a.always-excluded": "15090, 15021 and the status port are never captured",
    "1a.ambient-bypass": "an annotation takes inbound traffic past ztunnel",
    "1b.1": "candidates: own namespace by selector, root namespace without one; root policies with a selector don't count",
    "1b.2": "the oldest wins in each scope, then name, then namespace; losers are dropped whole; unknown ages are open",
    "1b.3": "PERMISSIVE, overridden by mesh, namespace, workload, where these are set",
    "1b.4": "port level of the winning workload policy only, by container port; UNSET inherits",
    "1b.5": "undeclared ports obey the same mode",
    "1b.6": "a Sidecar's listener TLS counts only under DISABLE",
    "1b.ambient-disable": "ambient: DISABLE behaves as PERMISSIVE",
    "1b.ambient-port": "ambient: workload UNSET with a port DISABLE under STRICT stays STRICT",
    "1b.ambient-root": "ambient: a root policy with an empty selector counts for sidecars and not for ambient elsewhere",
    "1b.ambient-ties": "ambient: names don't break ties",
    "1b.ambient-tls": "ztunnel takes TLS 1.3 alone unless told otherwise",
    "1b.strict": "STRICT is enforced mutual TLS",
    "1b.permissive": "PERMISSIVE is opportunistic, unless authorization rejects plaintext",
    "1b.plaintext": "DISABLE, no data plane, a bypassed port, UDP: plaintext",
    "1b.envoy-filter": "an EnvoyFilter that touches TLS or filter chains cannot be told",
    "1c.own-namespace": "the client's namespace first, unless it is the root",
    "1c.service-namespace": "then rules exported from the service's namespace",
    "1c.root": "then the root namespace's",
    "1c.specific": "the most specific host",
    "1c.export": "exportTo hides rules",
    "1c.selector": "workloadSelector chooses clients",
    "1c.subset": "a subset overrides",
    "1c.port": "a matching port entry replaces the whole policy, and drops an omitted tls",
    "1c.disable": "DISABLE is plaintext",
    "1c.simple": "SIMPLE and MUTUAL are ordinary TLS",
    "1c.skip-verify": "insecureSkipVerify: nobody verifies the server",
    "1c.credential": "credentialName on a sidecar without workloadSelector drops TLS",
    "1c.istio-mutual": "ISTIO_MUTUAL is mesh mTLS",
    "1c.auto": "unset is automatic mTLS",
    "1c.auto-off": "automatic mTLS needs enableAutoMtls",
    "1c.auto-external": "automatic mTLS is not for what is outside the mesh",
    "1c.auto-namespace": "automatic mTLS needs a namespace mode that isn't DISABLE",
    "1c.auto-label": "automatic mTLS needs the endpoint's label",
    "1c.auto-port": "automatic mTLS needs a port that isn't DISABLE",
    "1c.headless": "headless or PASSTHROUGH: one endpoint without mTLS makes every client plaintext",
    "1c.mesh-config": "defaults of MeshConfig: automatic mTLS, ALLOW_ANY, root istio-system; its minimum version",
    "1d.order": "DENY before ALLOW",
    "1d.empty": "an empty spec allows nothing, one empty rule everything, DENY without rules never matches",
    "1d.not-enforced": "dry run and AUDIT enforce nothing",
    "1d.identity": "positive principals, namespaces, serviceAccounts cannot match plaintext",
    "1d.ztunnel-allow": "ztunnel drops ALLOW rules with HTTP fields",
    "1d.ztunnel-custom": "ztunnel has no CUSTOM and no AUDIT",
    "1d.ztunnel-target": "ztunnel skips policies with targetRefs",
    "1d.ztunnel-deny": "a DENY of HTTP fields alone has no effect at ztunnel; a mixed one is not relied upon",
    "1d.request": "RequestAuthentication alone lets in requests without a token",
    "1e.http": "HTTP without httpsRedirect is plaintext",
    "1e.no-mode": "tls without a mode is PASSTHROUGH, and credentialName is ignored",
    "1e.simple": "SIMPLE authenticates the server",
    "1e.optional": "OPTIONAL_MUTUAL: the client certificate is optional",
    "1e.mutual": "MUTUAL, ISTIO_MUTUAL: required, but not over HTTP/3 or with insecureSkipVerify",
    "1e.passthrough": "PASSTHROUGH, AUTO_PASSTHROUGH: the backend decides",
    "1e.minimum": "TLS 1.2 by default; tlsDefaults, then the server's own values",
    "2.inject": "the pod's annotation beats the namespace's; enabled and ingress inject, nothing else does",
    "2.never": "the node's network, and what has a sidecar, is never injected",
    "2.observed": "the proxy's container decides, native sidecars included; the webhook may have been skipped",
    "2.skipped": "ports that linkerd-init was told to ignore",
    "2.skipped-default": "4567, 4568 and the proxy's own ports are ignored by default",
    "2.udp": "UDP is never captured",
    "2.server": "a Server matches pod and port: the oldest, then by name",
    "2.default-deny": "a Server's accessPolicy defaults to deny",
    "2.unauthenticated": "any unauthenticated grant, or audit, is opportunistic",
    "2.route": "grants on routes count",
    "2.probe": "probe routes are let in without identity, and named",
    "2.network-only": "network references alone, or none, are unauthenticated",
    "2.missing": "a missing authentication takes the whole policy with it",
    "2.and": "references inside one policy are needed together",
    "2.tls-without-identity": "unauthenticatedTLS is TLS without identity",
    "2.identity": "identities everywhere are enforced mutual TLS; no grant denies",
    "2.default": "no Server: the pod's default policy, else the cluster's",
    "2.require-identity": "required identity counts only without a Server and under an allowing default",
    "2.pod-only": "the controller reads the pod's annotations, not the namespace's",
    "2.client": "clients use mTLS by the control plane's label and unless the port is skipped",
    "2.opaque": "opaque ports skip TLS detection on the application port, which is said",
    "3.cilium": "WireGuard or IPsec by cilium-config; strict mode is told; the node's own traffic by encrypt-node",
    "3.cilium-mutual": "mutual authentication does not encrypt",
    "3.cilium-ztunnel": "ztunnel: TCP of enrolled namespaces, no pods on the node's network",
    "3.calico": "FelixConfiguration, and a key on every node",
    "3.flannel": "the backend of net-conf.json; what nodes say outranks it",
    "3.weave": "a password, without trusted subnets; unmaintained",
    "3.antrea": "trafficEncryptionMode; a pre-shared key may be the published one",
    "3.ovn": "only Full covers pods",
    "3.same-node": "traffic inside one node is not covered",
    "5.calico": "calico-node and Canal enforce",
    "5.cilium": "Cilium enforces unless enable-policy is never; GKE's anetd",
    "5.weave": "weave-npc unless EXPECT_NPC is 0",
    "5.kube-router": "kube-router unless run-firewall is false",
    "5.others": "azure-npm, Antrea, AWS's agent with its switch, recent kindnet",
    "5.flannel": "flannel alone enforces nothing",
    "5.k3s": "k3s runs its agent in its own process: unknown, never none",
    "5.every-node": "only an agent that is ready on every node is evidence",
    "8.service-port": "the Service's port as the key of portLevelMtls",
    "8.first": "the first PeerAuthentication in place of the oldest",
    "8.root-selector": "root-namespace policies with a selector counted",
    "8.ambient": "ambient read with sidecar rules",
    "8.spec-tls": "spec.tls taken as HTTPS only",
    "8.route": "an OpenShift Route without tls passing",
    "8.mutual-authentication": "Cilium's mutual authentication called encryption",
    "8.policy-exists": "Weave and Flannel passing because a NetworkPolicy exists",
    "8.elb": "the default policy of an ELB, with TLS 1.0, passing",
    "8.linkerd": "Linkerd taken as strict because it is injected",
}
"""Every row by id."""


@dataclass(frozen=True)
class RowCase:
    """A named case of a row: what is given and the exact answer."""

    row: str
    name: str
    given: Any
    expected: Any
    asked: Any = None


def each(cases: list[RowCase]) -> Any:
    """The cases as parameters, each under its row and name."""
    return pytest.mark.parametrize("case", cases, ids=[f"{case.row}: {case.name}" for case in cases])
