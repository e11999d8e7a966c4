"""Traefik's static configuration, from the arguments of its pods: entry points, their TLS, their redirections."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from auditor.encryption.entry.ingress import parse_bool
from auditor.encryption.entry.sources import Program, Sources
from auditor.inventory.selectors import SelectorError, from_labels
from auditor.model.kinds import SERVICE
from auditor.model.objects import KubeObject, mapping_at, mappings_at
from auditor.model.verdict import Tri

_INTERNAL = "traefik"
_LONG_PRIORITY = 15
"""Digits. A router's own priority is the length of its rule; Traefik's default for redirections is close to 2^63."""
_PORT = re.compile(r":(\d{1,5})(?:/(\w+))?$")


@dataclass(frozen=True, slots=True)
class TraefikEntry:
    """An entry point of the static configuration. `port` is Traefik's own, `outside` the Service's (None: not known).

    `secured`: routers on it get TLS unless they bring their own. `redirects`: plain requests are sent to HTTPS; unknown
    where the redirection has a priority of its own, which a router may beat. `middlewares` come before any router's.
    """

    name: str
    port: int | None
    outside: int | None
    secured: bool
    redirects: Tri
    options: str | None
    middlewares: tuple[str, ...] = ()


class TraefikStatic:
    """The static configuration. `known` is false where no argument of a Traefik pod says anything of entry points, or
    where several deployments differ."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._programs = [p for p in sources.programs.get("traefik", ()) if _settings(p)]
        self.known = len({tuple(sorted(_settings(p).items())) for p in self._programs}) == 1
        self.evidence = tuple(dict.fromkeys(p.evidence_id for p in self._programs))

    @cached_property
    def flags(self) -> Mapping[str, str]:
        """The arguments of the only Traefik that is known."""
        return self._programs[0].flags if self.known else {}

    @cached_property
    def entries(self) -> Mapping[str, TraefikEntry]:
        """The entry points by name, UDP ones left out."""
        names = {name.split(".")[1] for name in self.flags if name.startswith("entrypoints.")}
        found = (self._entry(name) for name in sorted(names))
        return {entry.name: entry for entry in found if entry is not None}

    @property
    def default_entries(self) -> list[TraefikEntry]:
        """Where a router goes that names no entry point: those flagged asDefault, else all but the internal one."""
        flagged = [e for e in self.entries.values() if self._flag(e.name, "asdefault")]
        return flagged or [e for e in self.entries.values() if e.name != _INTERNAL]

    @property
    def verifies_backends(self) -> bool:
        """Whether certificates of HTTPS backends are checked unless a ServersTransport says otherwise."""
        return not parse_bool(self.flags.get("serverstransport.insecureskipverify", "false"))

    def _entry(self, name: str) -> TraefikEntry | None:
        found = _PORT.search(self.flags.get(f"entrypoints.{name}.address", ""))
        if found and (found[2] or "tcp").lower() == "udp":
            return None
        port = int(found[1]) if found else None
        prefix = f"entrypoints.{name}.http.tls"
        secured = any(key == prefix or key.startswith(f"{prefix}.") for key in self.flags)
        if (parse_bool(self.flags.get(prefix)) is False) and len(_below(self.flags, prefix)) == 0:
            secured = False
        return TraefikEntry(
            name=name,
            port=port,
            outside=self._outside.get(port) if port else None,
            secured=secured,
            redirects=self._redirects(name),
            options=self.flags.get(f"{prefix}.options"),
            middlewares=_names(self.flags.get(f"entrypoints.{name}.http.middlewares", "")),
        )

    def is_published(self, entry: TraefikEntry) -> bool:
        """Whether a Service leads to the entry point; where none is known for any, all are taken to be reachable."""
        return entry.outside is not None or not self._outside

    def _redirects(self, name: str) -> Tri:
        prefix = f"entrypoints.{name}.http.redirections.entrypoint."
        if not self.flags.get(f"{prefix}to") or self.flags.get(f"{prefix}scheme", "https").lower() != "https":
            return Tri.NO
        priority = self.flags.get(f"{prefix}priority", "")
        return Tri.YES if not priority or len(priority) > _LONG_PRIORITY else Tri.UNKNOWN

    @property
    def version(self) -> str:
        """The release of the only Traefik that is known, `""` where its image doesn't say."""
        return self._programs[0].version if self.known else ""

    def _flag(self, name: str, setting: str) -> bool:
        return parse_bool(self.flags.get(f"entrypoints.{name}.{setting}")) is True

    @cached_property
    def _outside(self) -> Mapping[int | None, int]:
        """Traefik's port to the Service's port, by the Services that select its pods."""
        found: dict[int | None, int] = {}
        if not self.known:
            return found
        program = self._programs[0]
        for service in self._sources.cluster.in_namespace(SERVICE, program.namespace):
            if _selects(service, program):
                for port in mappings_at(service.body, "spec", "ports"):
                    number, target = port.get("port"), port.get("targetPort")
                    if isinstance(number, int):
                        found.setdefault(self._target(number, target), number)
        return found

    def _target(self, number: int, target: object) -> int | None:
        """A named target port is that of the entry point of the same name, as Traefik's own chart lays it out."""
        if isinstance(target, int):
            return target
        if not isinstance(target, str) or not target:
            return number
        named = _PORT.search(self.flags.get(f"entrypoints.{target.lower()}.address", ""))
        return int(named[1]) if named else None


def _settings(program: Program) -> dict[str, str]:
    return {name: value for name, value in program.flags.items() if name.startswith("entrypoints.")}


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _below(flags: Mapping[str, str], prefix: str) -> list[str]:
    return [name for name in flags if name.startswith(f"{prefix}.")]


def _selects(service: KubeObject, program: Program) -> bool:
    labels = {str(k): str(v) for k, v in mapping_at(service.body, "spec", "selector").items()}
    try:
        return bool(labels) and from_labels(labels).matches(program.labels)
    except SelectorError:
        return False
