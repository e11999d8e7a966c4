"""AWS Load Balancer Controller: listeners of an Application Load Balancer (encryption.md 4).

`spec.tls` by itself gives no HTTPS listener: that takes `certificate-arn`, or HTTPS among `listen-ports`. A redirect set on
one Ingress holds for every HTTP listener of its group.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from auditor.encryption.entry.aws_policies import DEFAULT, minimum_of_policy
from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress import IngressView, Verdicts, port_of
from auditor.encryption.entry.sources import KNOWN, Sources
from auditor.encryption.entry_reasons import cause
from auditor.model.kinds import KindKey
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, Tri

PREFIX = "alb.ingress.kubernetes.io/"
_STS = re.compile(r"strict_transport_security\.header_value=[^,]*max-age=0*[1-9]")
PARAMETERS = KindKey("elbv2.k8s.aws", "IngressClassParams")
_HOPS = {"HTTP": BackendHop.PLAINTEXT, "HTTPS": BackendHop.ENCRYPTED}
_CLIENTS = {
    "off": ClientAuthentication.NONE,
    "passthrough": ClientAuthentication.OPTIONAL,
    "verify": ClientAuthentication.REQUIRED,
}


@dataclass(slots=True)
class _Group:
    """What the Ingresses of one load balancer ask for together."""

    redirects: set[int] = field(default_factory=set)
    secured: set[int] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)

    def take_in(self, asked: "_Listeners") -> None:
        """Add what one Ingress asks for."""
        self.secured.update(asked.secured)
        if asked.redirect is not None:
            self.redirects.add(asked.redirect)
        if asked.policy is not None:
            self.policies.add(asked.policy)


@dataclass(frozen=True, slots=True)
class _Listeners:
    """What an Ingress asks of its load balancer. `plain` and `secured` are ports; `redirect` is the port to go to."""

    plain: tuple[int, ...]
    secured: tuple[int, ...]
    redirect: int | None
    certificate: str | None
    group: str | None
    policy: str | None
    readable: bool
    evidence: tuple[str, ...] = ()


class AwsAlb:
    """The load balancers that all Ingresses of the controller's classes ask for."""

    def __init__(self, sources: Sources, views: Sequence[IngressView]) -> None:
        self._sources = sources
        self._asked = {view.obj.id: _listeners(sources, view) for view in views}
        self._groups: dict[object, _Group] = {}
        for identity, asked in self._asked.items():
            self._groups.setdefault(asked.group or identity, _Group()).take_in(asked)

    def judge(self, sources: Sources, view: IngressView, host: str) -> Verdicts:
        """What the listeners of an Ingress serve; all its hosts alike."""
        asked = self._asked[view.obj.id]
        group = self._groups[asked.group or view.obj.id]
        if not asked.readable:
            return _unreadable(asked)
        plaintext, code = _plaintext(view, host, asked, group)
        return Verdicts(
            plaintext=plaintext,
            tls=self._tls(asked, group) if asked.secured else None,
            client_authentication=_client(view, asked),
            backend=_HOPS.get((view.annotation(PREFIX + "backend-protocol") or "HTTP").upper(), _UNKNOWN_HOP),
            hsts=_hsts(view, asked),
            causes=(cause(code), *self._about_policy(asked, group)),
            evidence=asked.evidence,
            port=min(asked.secured or asked.plain),
        )

    def _tls(self, asked: _Listeners, group: _Group) -> EntryTls:
        policies = sorted(group.policies) or [self._default_policy()]
        policy = policies[0] if len(policies) == 1 else None
        certificate = asked.certificate or "a certificate found by host name"
        minimum = minimum_of_policy(policy) if policy else None
        return EntryTls(TlsMode.TERMINATE, minimum, certificate, policy)

    def _about_policy(self, asked: _Listeners, group: _Group) -> tuple[Cause, ...]:
        """Why the versions are not known: a policy that AWS does not publish, or members that ask for different ones."""
        tls = self._tls(asked, group)
        if not asked.secured or tls.minimum_version is not None:
            return ()
        if tls.policy is None:
            return (cause("indeterminate.entry.alb.policies-differ"),)
        return (cause("indeterminate.entry.aws.policy", policy=tls.policy[:80]),)

    def _default_policy(self) -> str:
        programs = self._sources.programs.get("aws-alb", ())
        given = [p.flags["default-ssl-policy"] for p in programs if "default-ssl-policy" in p.flags]
        return given[0] if given else DEFAULT


_UNKNOWN_HOP = BackendHop.INDETERMINATE


def _plaintext(view: IngressView, host: str, asked: _Listeners, group: _Group) -> tuple[Plaintext, str]:
    if not asked.plain:
        return Plaintext.CLOSED, "entry.alb.https-only"
    if group.redirects:
        if group.redirects <= group.secured:
            return Plaintext.REDIRECTED, "entry.redirect-set"
        return Plaintext.INDETERMINATE, "indeterminate.entry.alb.redirect-port"
    if any(ref.port == "use-annotation" for ref in view.hosts[host]):
        return Plaintext.INDETERMINATE, "indeterminate.entry.alb.action"
    alone = view.tls and not asked.secured
    return Plaintext.OPEN, "entry.alb.spec-tls-alone" if alone else "entry.alb.http-listener"


def _hsts(view: IngressView, asked: _Listeners) -> Tri:
    """A listener attribute adds the header, to each HTTPS listener by itself."""
    set_ = [view.annotation(f"{PREFIX}listener-attributes.HTTPS-{port}") or "" for port in asked.secured]
    return Tri.YES if set_ and all(_STS.search(text) for text in set_) else Tri.NO


def _client(view: IngressView, asked: _Listeners) -> ClientAuthentication:
    text = view.annotation(PREFIX + "mutual-authentication")
    if text is None or not asked.secured:
        return ClientAuthentication.NONE
    entries = _json_list(text)
    if entries is None:
        return ClientAuthentication.INDETERMINATE
    modes = {e.get("port"): _CLIENTS.get(str(e.get("mode")).lower()) for e in entries}
    found = {modes.get(port, ClientAuthentication.NONE) for port in asked.secured}
    only = found.pop() if len(found) == 1 else None
    return only or ClientAuthentication.INDETERMINATE


def _listeners(sources: Sources, view: IngressView) -> _Listeners:
    """IngressClassParams come before annotations."""
    obj, known = _parameters(sources, view)
    spec: JsonObject = obj.spec if obj else {}
    arns = [a for a in list_at(spec, "certificateArn") if isinstance(a, str)]
    certificate = arns[0] if arns else view.annotation(PREFIX + "certificate-arn")
    listed = _listed(mappings_at(spec, "listeners")) or _annotated(view)
    if listed is None:
        listed = ((), (443,)) if certificate else ((80,), ())
    redirect = spec.get("sslRedirectPort") or view.annotation(PREFIX + "ssl-redirect")
    return _Listeners(
        plain=listed[0],
        secured=listed[1],
        redirect=port_of(redirect),
        certificate=certificate.partition(",")[0].strip() if certificate else None,
        group=text_at(spec, "group", "name") or view.annotation(PREFIX + "group.name"),
        policy=text_at(spec, "sslPolicy") or view.annotation(PREFIX + "ssl-policy"),
        readable=known and bool(listed[0] or listed[1]),
        evidence=(obj.evidence_id,) if obj else (),
    )


def _parameters(sources: Sources, view: IngressView) -> tuple[KubeObject | None, bool]:
    owner = view.ingress_class.obj
    reference = mapping_at(owner.spec, "parameters") if owner else {}
    if reference.get("kind") != PARAMETERS.kind:
        return None, True
    if (text_at(reference, "apiGroup") or PARAMETERS.group) != PARAMETERS.group:
        return None, False  # EKS' automatic mode has parameters of a group of its own, which are not read.
    obj = sources.cluster.get(PARAMETERS, "", text_at(reference, "name") or "")
    return obj, obj is not None or sources.cluster.completeness(PARAMETERS).state in KNOWN


def _annotated(view: IngressView) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """`listen-ports`, as `[{"HTTP": 80}, {"HTTPS": 443}]`; empty where it cannot be read, None where it isn't set."""
    text = view.annotation(PREFIX + "listen-ports")
    if text is None:
        return None
    entries = _json_list(text)
    pairs = [(str(k).upper(), v) for entry in entries or [] for k, v in entry.items()]
    ports = [(k, v) for k, v in pairs if isinstance(v, int) and k in ("HTTP", "HTTPS")]
    return _by_protocol(ports) if len(ports) == len(pairs) else ((), ())


def _listed(entries: Sequence[JsonObject]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    pairs = [(str(e.get("protocol")).upper(), e.get("port")) for e in entries]
    return _by_protocol([(k, v) for k, v in pairs if isinstance(v, int)]) if pairs else None


def _by_protocol(pairs: Sequence[tuple[str, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    plain = tuple(sorted(port for protocol, port in pairs if protocol == "HTTP"))
    return plain, tuple(sorted(port for protocol, port in pairs if protocol == "HTTPS"))


def _json_list(text: str) -> list[Mapping[str, object]] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return None
    return value


def _unreadable(asked: _Listeners) -> Verdicts:
    return Verdicts(
        Plaintext.INDETERMINATE,
        EntryTls(TlsMode.INDETERMINATE),
        ClientAuthentication.INDETERMINATE,
        BackendHop.INDETERMINATE,
        causes=(cause("indeterminate.entry.alb.listeners"),),
        evidence=asked.evidence,
    )
