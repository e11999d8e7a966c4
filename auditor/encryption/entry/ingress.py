"""An Ingress as every controller reads it: hosts, the Services behind them, `spec.tls`, annotations."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress_class import ClassFound
from auditor.encryption.entry.sources import Sources, evidence_of
from auditor.encryption.entry_reasons import cause
from auditor.inventory.services import Backend
from auditor.model.kinds import SERVICE
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, Tri

ANY_HOST = "*"
_DIGITS = 5
DEFAULT_CERTIFICATE = "the controller's default certificate"


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """A Service that an Ingress sends traffic to; `port` by number or name."""

    name: str
    port: int | str | None


@dataclass(frozen=True, slots=True, eq=False)
class IngressView:
    """An Ingress, its class, and for each host the Services behind it (in order, each once)."""

    obj: KubeObject
    ingress_class: ClassFound
    hosts: Mapping[str, tuple[ServiceRef, ...]]
    tls: tuple[tuple[tuple[str, ...], str | None], ...]
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()
    secrets: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """By host or wildcard of `spec.tls`, `""` where an entry names none: the first entry with it, and its Secret."""

    def annotation(self, name: str) -> str | None:
        """An annotation's value, None where it is missing or empty."""
        return self.obj.annotations.get(name) or None

    def switch(self, name: str) -> bool | None:
        """An annotation that is true or false, as Go's ParseBool reads it; None where it is missing or neither."""
        return parse_bool(self.obj.annotations.get(name))

    def certificate(self, host: str) -> str | None:
        """The Secret that `spec.tls` names for a host, None where it names none."""
        host = host.lower()
        patterns = ("", host, f"*.{host.partition('.')[2]}")
        found = [self.secrets[pattern] for pattern in patterns if pattern in self.secrets]
        return f"{self.obj.namespace}/Secret/{min(found)[1]}" if found else None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a controller's module says of one host of an Ingress."""

    plaintext: Plaintext
    tls: EntryTls | None
    client_authentication: ClientAuthentication = ClientAuthentication.NONE
    backend: BackendHop = BackendHop.PLAINTEXT
    hsts: Tri = Tri.UNKNOWN
    causes: tuple[Cause, ...] = ()
    assumptions: tuple[Cause, ...] = ()
    notices: tuple[Cause, ...] = ()
    evidence: tuple[str, ...] = ()
    port: int | None = None


Judge = Callable[[Sources, IngressView, str], Verdicts]
"""A controller's judgement of one host of an Ingress."""


def view_ingress(ingress: KubeObject, ingress_class: ClassFound) -> IngressView:
    """Read an Ingress of any version; parts of another shape are dropped."""
    hosts: dict[str, list[ServiceRef]] = {}
    paths: dict[str, list[str]] = {}
    for rule in mappings_at(ingress.spec, "rules"):
        host = text_at(rule, "host") or ANY_HOST
        found = hosts.setdefault(host, [])
        paths.setdefault(host, []).extend(
            text_at(p, "path") or "/" for p in mappings_at(rule, "http", "paths")
        )
        found.extend(
            ref for path in mappings_at(rule, "http", "paths") if (ref := _service(path.get("backend")))
        )
    fallback = _service(ingress.spec.get("defaultBackend") or ingress.spec.get("backend"))
    if fallback is not None or not hosts:
        hosts.setdefault(ANY_HOST, []).extend([fallback] if fallback else [])
    tls = tuple(
        (
            tuple(h for h in list_at(entry, "hosts") if isinstance(h, str)),
            text_at(entry, "secretName") or None,
        )
        for entry in mappings_at(ingress.spec, "tls")
    )
    refs = {host: tuple(dict.fromkeys(found)) for host, found in hosts.items()}
    paths_of = {host: tuple(found) for host, found in paths.items()}
    return IngressView(ingress, ingress_class, refs, tls, paths_of, secrets=_secrets(tls))


def _secrets(tls: tuple[tuple[tuple[str, ...], str | None], ...]) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for index, (hosts, secret) in enumerate(tls):
        for pattern in (hosts or ("",)) if secret else ():
            found.setdefault(pattern.lower(), (index, secret or ""))
    return found


def entry_rows(sources: Sources, view: IngressView, judge: Judge) -> Iterator[EntryPoint]:
    """The rows of an Ingress, one a host."""
    for host in view.hosts:
        found = judge(sources, view, host)
        secured = found.tls is not None and found.tls.mode is not TlsMode.INDETERMINATE
        yield EntryPoint(
            object=str(view.obj.id),
            namespace=view.obj.namespace,
            kind=view.obj.id.kind,
            controller=view.ingress_class.controller,
            host=host,
            listener="",
            port=found.port or (443 if secured else 80),
            protocol="TCP",
            plaintext=found.plaintext,
            tls=found.tls,
            client_authentication=_client(found),
            backend=found.backend,
            hsts=found.hsts if found.tls is not None else Tri.NO,
            causes=(*found.causes, *view.ingress_class.causes),
            assumptions=found.assumptions,
            notices=found.notices,
            evidence=tuple(dict.fromkeys((*evidence_of(view.obj, view.ingress_class.obj), *found.evidence))),
            destinations=destinations(sources, view, host),
        )


def _client(found: Verdicts) -> ClientAuthentication:
    """Where no TLS is served there is no handshake that could ask for a certificate, whatever is set."""
    plain = found.tls is None and found.plaintext is not Plaintext.INDETERMINATE
    return ClientAuthentication.NONE if plain else found.client_authentication


def destinations(sources: Sources, view: IngressView, host: str) -> tuple[Backend, ...]:
    """The pods behind a host, each way once."""
    namespace = view.obj.namespace
    found = (b for ref in view.hosts[host] for b in sources.backends(namespace, ref.name, ref.port))
    return tuple(dict.fromkeys(found))


def services_behind(sources: Sources, view: IngressView, host: str) -> list[KubeObject]:
    """The Service objects behind a host that are in the evidence."""
    named = dict.fromkeys(ref.name for ref in view.hosts[host])
    found = (sources.cluster.get(SERVICE, view.obj.namespace, name) for name in named)
    return [service for service in found if service is not None]


def unknown_controller(sources: Sources, view: IngressView, host: str) -> Verdicts:
    """An Ingress whose controller is not known: nothing can be told."""
    tls = EntryTls(TlsMode.INDETERMINATE, certificate=view.certificate(host)) if view.tls else None
    found = view.ingress_class.controller
    causes = (cause("indeterminate.entry.controller-unknown", controller=found),) if found else ()
    return Verdicts(
        Plaintext.INDETERMINATE,
        tls,
        ClientAuthentication.INDETERMINATE,
        BackendHop.INDETERMINATE,
        causes=causes,
    )


def port_of(value: object) -> int | None:
    """A port as a number or as its digits; None for anything else, however long."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = isinstance(value, str) and len(value) <= _DIGITS and value.isascii() and value.isdecimal()
    return int(str(value)) if found else None


def parse_bool(value: str | None) -> bool | None:
    """A boolean as Go's strconv.ParseBool reads it, None for anything else."""
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    return False if value in ("0", "f", "F", "false", "FALSE", "False") else None


def _service(backend: object) -> ServiceRef | None:
    raw: JsonObject = backend if isinstance(backend, Mapping) else {}
    service = mapping_at(raw, "service")
    if name := text_at(service, "name"):
        port = mapping_at(service, "port")
        return ServiceRef(name, _port(port.get("number") or port.get("name")))
    old = text_at(raw, "serviceName")
    return ServiceRef(old, _port(raw.get("servicePort"))) if old else None


def _port(value: object) -> int | str | None:
    if (number := port_of(value)) is not None:
        return number
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else None
