"""DestinationRule: which rule a client uses for a host, and the TLS settings in it (pilot/pkg/model/push_context.go)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from auditor.encryption.injection import KNOWN
from auditor.encryption.istio.proxy_settings import selector_of
from auditor.encryption.precedence import possible_winners
from auditor.encryption.verdicts import Wire
from auditor.inventory.cluster import Cluster
from auditor.model.kinds import kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef

DESTINATION_RULE = kind_key("networking.istio.io", "DestinationRule")
VIRTUAL_SERVICE = kind_key("networking.istio.io", "VirtualService")
_SUFFIX = ".svc.cluster.local"
_UNREADABLE = "unreadable"
WEAK = (Wire.PLAINTEXT, Wire.TLS_UNVERIFIED)
"""What weakens clients: no TLS, or TLS that anybody may answer."""
_CONFIG_MAP_SCHEME = "configmap://"


@dataclass(frozen=True, slots=True, eq=False)
class DestinationRule:
    """A parsed rule. `host` is full; `export` None is everywhere; `selector` None selects every client.

    A rule that selects clients selects them in its own namespace only.
    """

    obj: KubeObject
    host: str
    export: frozenset[str] | None
    selector: Mapping[str, str] | None

    @property
    def is_private(self) -> bool:
        """Whether it is for its own namespace alone."""
        return self.export == frozenset({self.obj.namespace})

    def visible_to(self, namespace: str) -> bool:
        """Whether it is exported to a namespace."""
        return self.export is None or namespace in self.export

    def selects(self, labels: Mapping[str, str] | None) -> bool:
        """Whether it selects a client by its labels; None stands for some client that it selects."""
        wanted = (self.selector or {}).items()
        return labels is None or all(labels.get(key) == value for key, value in wanted)


@dataclass(frozen=True, slots=True)
class Settings:
    """The TLS settings that a rule gives to one port, of a subset or not.

    `tls` None: none are set, so automatic mTLS decides. `passthrough`: its load balancer is PASSTHROUGH. `doubt` is the
    code of what leaves open whether they hold: routes to the subset may be missing, or an older rule's age. `tunnel`:
    TCP is wrapped in HTTP requests (`tunnel`) to a proxy that goes on to another host, with what protection isn't said.
    """

    tls: object
    rule: RuleRef | None
    source: DestinationRule | None
    passthrough: bool = False
    doubt: str | None = None
    tunnel: RuleRef | None = None

    @property
    def decides(self) -> bool:
        """Whether it says anything of its own about what is on the wire."""
        return self.tls is not None or self.tunnel is not None

    @property
    def rules(self) -> tuple[RuleRef, ...]:
        """Where it is set."""
        return tuple(rule for rule in (self.tunnel, self.rule) if rule is not None)


NO_SETTINGS = Settings(None, None, None)


class DestinationRules:
    """Every DestinationRule, found by the client's namespace and the host that it calls."""

    def __init__(self, cluster: Cluster, default_export: Sequence[str] = ("*",)) -> None:
        self.all = tuple(_parse(obj, default_export) for obj in cluster.all(DESTINATION_RULE))
        self._exact: dict[tuple[str, str], list[DestinationRule]] = {}
        self._wildcards: dict[str, list[DestinationRule]] = {}
        for rule in self.all:
            if rule.host.startswith("*"):
                self._wildcards.setdefault(rule.obj.namespace, []).append(rule)
            else:
                self._exact.setdefault((rule.obj.namespace, rule.host), []).append(rule)
        self._by_host: dict[str, list[DestinationRule]] = {}
        for (_, host), group in self._exact.items():
            self._by_host.setdefault(host, []).extend(group)
        self._routed = frozenset(_routed_subsets(cluster))
        self._routes_known = cluster.completeness(VIRTUAL_SERVICE).state in KNOWN
        self._groups: dict[tuple[str, str, str, str], tuple[DestinationRule, ...]] = {}

    def lookup(self, client: str, service: str, host: str, root: str) -> tuple[DestinationRule, ...]:
        """The rules for the most specific host that a client of a namespace sees: in its own namespace (in the root only
        private ones), else among those exported by the service's namespace, else by the root namespace.

        Among exported rules the most specific host is found before asking whom it is exported to.
        """
        key = (client, service, host, root)
        if key not in self._groups:
            self._groups[key] = self._lookup(client, service, host, root)
        return self._groups[key]

    def _lookup(self, client: str, service: str, host: str, root: str) -> tuple[DestinationRule, ...]:
        own = [rule for rule in self._matching(client, host) if rule.visible_to(client)]
        if client == root:
            own = [rule for rule in own if rule.is_private]
        if nearest := _most_specific(own):
            return tuple(nearest)
        for namespace in dict.fromkeys((service, root)):
            exported = [rule for rule in self._matching(namespace, host) if not rule.is_private]
            if found := [rule for rule in _most_specific(exported) if rule.visible_to(client)]:
                return tuple(found)
        return ()

    def _matching(self, namespace: str, host: str) -> list[DestinationRule]:
        wide = (rule for rule in self._wildcards.get(namespace, ()) if host.endswith(rule.host[1:]))
        return [*self._exact.get((namespace, host), ()), *wide]

    def naming(self, host: str) -> tuple[DestinationRule, ...]:
        """Every rule whose host is, or covers, a host, whoever sees it."""
        exact = self._by_host.get(host, ())
        return (
            *exact,
            *(r for group in self._wildcards.values() for r in group if host.endswith(r.host[1:])),
        )

    def settings(
        self,
        rules: Sequence[DestinationRule],
        client: Mapping[str, str] | None,
        target: Mapping[str, str],
        host: str,
        port: int,
    ) -> list[Settings]:
        """Every setting that may hold for a client with these labels that calls a Service port: that of the rule itself
        (several where ages aren't recorded), and those of subsets which hold the target and to which traffic is routed."""
        chosen = self._chosen(rules, client)
        return self._top(chosen, port) + [
            s for rule in chosen for s in self._subsets(rule, target, host, port)
        ]

    def of_subset(
        self,
        rules: Sequence[DestinationRule],
        client: Mapping[str, str] | None,
        subset: str | None,
        port: int,
    ) -> list[Settings]:
        """Every setting that may hold for a client of a port through a route that names a subset, or none. A subset that
        no rule has leads nowhere: its settings cannot be read."""
        chosen = self._chosen(rules, client)
        if subset is None:
            return self._top(chosen, port)
        for rule in chosen:
            for index, entry in enumerate(mappings_at(rule.obj.body, "spec", "subsets")):
                if text_at(entry, "name") == subset:
                    return [_settings(rule, port, entry, index)]
        return [Settings(_UNREADABLE, None, None)]

    def _chosen(
        self, rules: Sequence[DestinationRule], client: Mapping[str, str] | None
    ) -> Sequence[DestinationRule]:
        """The rules that a client uses: the oldest that selects it, else those that select nobody."""
        selected = [rule for rule in rules if rule.selector is not None and rule.selects(client)]
        if selected:
            return possible_winners(selected, lambda rule: rule.obj)
        return [rule for rule in rules if rule.selector is None]

    def _top(self, chosen: Sequence[DestinationRule], port: int) -> list[Settings]:
        """The settings above all subsets. Rules for one host are merged: the oldest with a traffic policy gives it."""
        with_policy = [rule for rule in chosen if rule.obj.spec.get("trafficPolicy")]
        winners = possible_winners(with_policy, lambda rule: rule.obj)
        top = [_settings(rule, port, None, 0) for rule in winners] or [NO_SETTINGS]
        if any((one.tls, not one.tunnel) != (top[0].tls, not top[0].tunnel) for one in top):
            top = [replace(settings, doubt="indeterminate.istio.client-oldest") for settings in top]
        return top

    def _subsets(
        self, rule: DestinationRule, target: Mapping[str, str], host: str, port: int
    ) -> Iterator[Settings]:
        for index, subset in enumerate(mappings_at(rule.obj.body, "spec", "subsets")):
            labels = mapping_at(subset, "labels")
            routed = (host, text_at(subset, "name") or "") in self._routed
            if not subset.get("trafficPolicy") or (self._routes_known and not routed):
                continue
            if all(target.get(str(key)) == value for key, value in labels.items()):
                found = _settings(rule, port, subset, index)
                yield found if routed else replace(found, doubt="indeterminate.istio.client-subset")


def _parse(obj: KubeObject, default_export: Sequence[str]) -> DestinationRule:
    spec = obj.spec
    asked = list_at(spec, "exportTo") or default_export
    exports = frozenset(obj.namespace if ns == "." else str(ns) for ns in asked)
    selector = selector_of(obj) if mapping_at(spec, "workloadSelector") else None
    if selector is not None:
        exports = frozenset({obj.namespace})
    everywhere = not exports or "*" in exports
    return DestinationRule(
        obj, full_host(text_at(spec, "host") or "", obj.namespace), None if everywhere else exports, selector
    )


@lru_cache(maxsize=4096)
def full_host(host: str, namespace: str) -> str:
    """The full name of a host: a name without dots belongs to the rule's own namespace; cluster domains are one."""
    if host and "." not in host and not host.startswith("*"):
        return service_host(namespace, host)
    head, separator, _ = host.partition(".svc.")
    return head + _SUFFIX if separator and head.count(".") == 1 else host.lower()


def service_host(namespace: str, name: str) -> str:
    """The full host name of a Service."""
    return f"{name}.{namespace}{_SUFFIX}"


def _most_specific(rules: Sequence[DestinationRule]) -> list[DestinationRule]:
    """Those with an exact host, else those with the longest wildcard."""
    exact = [rule for rule in rules if not rule.host.startswith("*")]
    longest = max((len(rule.host) for rule in rules), default=0)
    return exact or [rule for rule in rules if len(rule.host) == longest]


def _settings(rule: DestinationRule, port: int, subset: JsonObject | None, index: int) -> Settings:
    """A subset's policy overrides the rule's field by field; a matching port entry replaces the whole policy."""
    nothing = Settings(None, None, rule)
    top, where = rule.obj.spec.get("trafficPolicy"), "spec.trafficPolicy"
    found = _of_policy(rule, top, where, port, nothing)
    if subset is None:
        return _with_tunnel(found, rule, top, where)
    own, where = subset.get("trafficPolicy"), f"spec.subsets[{index}].trafficPolicy"
    return _with_tunnel(_of_policy(rule, own, where, port, found), rule, own, where)


def _with_tunnel(found: Settings, rule: DestinationRule, policy: object, where: str) -> Settings:
    """A subset doesn't inherit the rule's tunnel, and port entries neither have nor drop one (tunnelingconfig.go)."""
    if not isinstance(policy, Mapping) or policy.get("tunnel") is None:
        return found
    return replace(found, tunnel=RuleRef(str(rule.obj.id), f"{where}.tunnel", rule.obj.evidence_id))


def _of_policy(rule: DestinationRule, policy: object, where: str, port: int, inherited: Settings) -> Settings:
    entries = policy.get("portLevelSettings") if isinstance(policy, Mapping) else None
    if not isinstance(policy or {}, Mapping) or not isinstance(entries or [], list):
        return Settings(_UNREADABLE, RuleRef(str(rule.obj.id), where, rule.obj.evidence_id), rule)
    policy = mapping_at(policy)
    for index, entry in enumerate(mappings_at(policy, "portLevelSettings")):
        if mapping_at(entry, "port").get("number") == port:
            place = RuleRef(str(rule.obj.id), f"{where}.portLevelSettings[{index}]", rule.obj.evidence_id)
            return Settings(entry.get("tls"), place, rule, _passes_through(entry))
    passthrough = _passes_through(policy) or inherited.passthrough
    if policy.get("tls") is None:
        return Settings(inherited.tls, inherited.rule, rule, passthrough)
    place = RuleRef(str(rule.obj.id), f"{where}.tls", rule.obj.evidence_id)
    return Settings(policy.get("tls"), place, rule, passthrough)


def _passes_through(policy: JsonObject) -> bool:
    return text_at(policy, "loadBalancer", "simple") == "PASSTHROUGH"


def wire_of(settings: Settings, *, gateway: bool = False) -> tuple[Wire, Cause]:
    """What settings that decide put on the wire; weak ones of which it is open whether they hold, INDETERMINATE."""
    if settings.tunnel is not None:
        named = (("rule", settings.tunnel.object),)
        return Wire.INDETERMINATE, Cause("indeterminate.istio.client-tunnel", named)
    wire, cause = _explicit(settings, gateway)
    if settings.doubt and wire in WEAK:
        return Wire.INDETERMINATE, Cause(settings.doubt, cause.parameters)
    return wire, cause


def _explicit(settings: Settings, gateway: bool) -> tuple[Wire, Cause]:
    """A `tls` block without a mode is DISABLE, the API's zero value."""
    tls, name = settings.tls, settings.rule.object if settings.rule else ""
    named = (("rule", name),)
    if not isinstance(tls, Mapping):
        return Wire.INDETERMINATE, Cause("indeterminate.istio.client-tls", named)
    mode = tls.get("mode") or "DISABLE"
    if mode == "DISABLE":
        return Wire.PLAINTEXT, Cause("istio.client-disable", named)
    if mode == "ISTIO_MUTUAL":
        return Wire.MESH_MTLS, Cause("istio.client-istio-mutual", named)
    if mode not in ("SIMPLE", "MUTUAL"):
        return Wire.INDETERMINATE, Cause("indeterminate.istio.client-tls", named)
    credential = str(tls.get("credentialName") or "")
    selective = settings.source is not None and settings.source.selector is not None
    if credential and not credential.startswith(_CONFIG_MAP_SCHEME) and not selective and not gateway:
        return Wire.PLAINTEXT, Cause("istio.client-credential-dropped", named)
    if mode == "MUTUAL" and not credential and not (tls.get("clientCertificate") and tls.get("privateKey")):
        # Admission refuses it; where it got in all the same, the proxy is left without TLS settings.
        return Wire.INDETERMINATE, Cause("indeterminate.istio.client-tls", named)
    if tls.get("insecureSkipVerify"):
        return Wire.TLS_UNVERIFIED, Cause("istio.client-unverified", named)
    wire = Wire.TLS if mode == "SIMPLE" else Wire.MUTUAL_TLS
    return wire, Cause("istio.client-tls", (("mode", str(mode)), *named))


def _routed_subsets(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """(host, subset) that some VirtualService sends traffic to, or mirrors it to."""
    for obj in cluster.all(VIRTUAL_SERVICE):
        for protocol in ("http", "tcp", "tls"):
            for route in mappings_at(obj.body, "spec", protocol):
                targets = [mapping_at(entry, "destination") for entry in mappings_at(route, "route")]
                targets += [mapping_at(entry, "destination") for entry in mappings_at(route, "mirrors")]
                for target in [*targets, mapping_at(route, "mirror")]:
                    subset = text_at(target, "subset")
                    if subset:
                        yield full_host(text_at(target, "host") or "", obj.namespace), subset
