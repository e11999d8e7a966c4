"""The identity under which a client's connections arrive at a proxy: its service account, if the mesh carries them.

Plaintext has no identity: what asks for one cannot match it, what excludes one always does (connectivity.md 33).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import CONFIG_MAP, kind_key
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Tri
from auditor.network.bits import members
from auditor.network.mesh_authorization_istio_rules import Values
from auditor.network.representation import Bits, Match
from auditor.network.universe import Universe

DESTINATION_RULE = kind_key("networking.istio.io", "DestinationRule")
PEER_AUTHENTICATION = kind_key("security.istio.io", "PeerAuthentication")
LOCAL = "cluster.local"
"""The trust domain that stands for the mesh's own, whatever that is called."""

_SETTING = r"(?m)^{}:\s*[\"']?([A-Za-z0-9./_-]+)"
_NOT_MUTUAL = ("DISABLE", "SIMPLE", "MUTUAL")


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """What of Istio's MeshConfig decides about authorization; None where no ConfigMap says it."""

    root_namespace: str
    trust_domain: str | None
    auto_mtls: bool

    @classmethod
    def of(cls, cluster: Cluster) -> "MeshSettings":
        """From the ConfigMaps `istio` and `istio-<revision>`; the default root namespace is istio-system."""
        texts = [
            text
            for obj in cluster.all(CONFIG_MAP)
            if obj.name == "istio" or obj.name.startswith("istio-")
            if (text := text_at(obj.body, "data", "mesh"))
        ]
        return cls(
            root_namespace=_setting(texts, "rootNamespace") or "istio-system",
            trust_domain=(_setting(texts, "trustDomain") or LOCAL) if texts else None,
            auto_mtls=_setting(texts, "enableAutoMtls") != "false",
        )


def _setting(texts: Sequence[str], name: str) -> str | None:
    found = (re.search(_SETTING.format(name), text) for text in texts)
    return next((match.group(1) for match in found if match), None)


def matches_pattern(pattern: str, value: str) -> bool:
    """Istio's string match: exact, `abc*`, `*abc`, and `*` for any that isn't empty."""
    if pattern == "*":
        return bool(value)
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


class IstioIdentities:
    """Who matches identity patterns, by what was observed of the clients' data plane."""

    def __init__(
        self, universe: Universe, settings: MeshSettings, observe: Callable[[Endpoint], Tri]
    ) -> None:
        self._universe = universe
        self._settings = settings
        self._meshed: dict[Tri, Bits] = {Tri.YES: 0, Tri.UNKNOWN: 0, Tri.NO: 0}
        for position in members(universe.pods):
            self._meshed[observe(universe.endpoints[position])] |= 1 << position
        self._found: dict[tuple[str, tuple[str, ...], str], Match] = {}

    def narrow(self, peers: Match, values: Values, namespace: str, doubtful: bool) -> Match:
        """Those of `peers` that a positive and a negative list admit. `doubtful`: mTLS to the receiver isn't certain."""
        if values.wanted is not None:
            peers = peers & self._matching(values.attribute, values.wanted, namespace, doubtful)
        if values.barred:
            peers = peers.minus(self._matching(values.attribute, values.barred, namespace, doubtful))
        return peers

    def _matching(self, attribute: str, patterns: tuple[str, ...], namespace: str, doubtful: bool) -> Match:
        key = (attribute, patterns, namespace if attribute == "serviceAccounts" else "")
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._compute(attribute, patterns, namespace)
        return Match(0, found.any) if doubtful else found

    def _compute(self, attribute: str, patterns: tuple[str, ...], namespace: str) -> Match:
        def accepts(endpoint: Endpoint) -> bool:
            return any(
                matches_pattern(pattern, candidate)
                for pattern in patterns
                for candidate in self._candidates(attribute, endpoint, namespace)
            )

        hit = self._universe.where(("istio identity", attribute, patterns, namespace), accepts)
        must, may = hit & self._meshed[Tri.YES], hit & self._meshed[Tri.UNKNOWN]
        if self._settings.trust_domain is None and attribute in ("principals", "trustDomains"):
            foreign = [p for p in patterns if not p.startswith((f"{LOCAL}/", "*")) and p != LOCAL]
            if foreign:
                may |= (self._meshed[Tri.YES] | self._meshed[Tri.UNKNOWN]) & ~must
        return Match(must, may)

    def _candidates(self, attribute: str, endpoint: Endpoint, namespace: str) -> tuple[str, ...]:
        domains = tuple(dict.fromkeys((self._settings.trust_domain or LOCAL, LOCAL)))
        account = endpoint.service_account
        if attribute == "namespaces":
            return (endpoint.namespace,)
        if attribute == "trustDomains":
            return domains
        if attribute == "serviceAccounts":
            own = (account,) if endpoint.namespace == namespace else ()
            return (f"{endpoint.namespace}/{account}", *own)
        return tuple(f"{domain}/ns/{endpoint.namespace}/sa/{account}" for domain in domains)


class MutualTlsDoubt:
    """Receivers to which a client with a proxy may all the same speak without mutual TLS.

    A DestinationRule that switches it off, a PeerAuthentication that disables it at the receiver, or automatic mTLS
    switched off. What is only possible counts: the authorization engine needs certainty, encryption judges the details.
    """

    def __init__(self, cluster: Cluster, settings: MeshSettings) -> None:
        self._settings = settings
        self._rules = [obj for obj in cluster.all(DESTINATION_RULE) if _downgrades(obj)]
        self._disabled = {obj.namespace for obj in cluster.all(PEER_AUTHENTICATION) if _disables(obj)}

    def of(self, namespace: str, services: Sequence[KubeObject]) -> bool:
        """Whether there is doubt about an endpoint of a namespace behind some Services."""
        if not self._settings.auto_mtls or self._disabled & {namespace, self._settings.root_namespace}:
            return True
        names = {f"{service.name}.{service.namespace}.svc.cluster.local" for service in services}
        return any(_covers(rule, name) for rule in self._rules for name in names)


def _covers(rule: KubeObject, name: str) -> bool:
    host = text_at(rule.spec, "host") or ""
    if host.startswith("*"):
        return name.endswith(host[1:])
    if "." not in host:
        host = f"{host}.{rule.namespace}"
    return name == host or name.startswith(f"{host}.")


def _downgrades(rule: KubeObject) -> bool:
    policies = [mapping_at(rule.spec, "trafficPolicy")]
    policies += [mapping_at(subset, "trafficPolicy") for subset in mappings_at(rule.spec, "subsets")]
    policies += [port for policy in tuple(policies) for port in mappings_at(policy, "portLevelSettings")]
    return any(mapping_at(policy, "tls").get("mode") in _NOT_MUTUAL for policy in policies)


def _disables(policy: KubeObject) -> bool:
    ports: Mapping[str, JsonObject] = mapping_at(policy.spec, "portLevelMtls")
    modes = [
        mapping_at(policy.spec, "mtls").get("mode"),
        *(mapping_at(p).get("mode") for p in ports.values()),
    ]
    return "DISABLE" in modes
