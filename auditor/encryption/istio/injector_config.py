"""The sidecar injector's own settings: ConfigMap `istio-sidecar-injector[-revision]`, keys `config` and `values`."""

from dataclasses import dataclass

from auditor.encryption.embedded_yaml import read_mapping
from auditor.inventory.cluster import Cluster
from auditor.inventory.selectors import Selector, SelectorError, parse_selector
from auditor.model.kinds import CONFIG_MAP
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at
from auditor.model.verdict import RuleRef

_PREFIX = "istio-sidecar-injector"


@dataclass(frozen=True, slots=True)
class InjectorConfig:
    """Injection policy and capture defaults; Istio's documented defaults where the ConfigMap isn't in the evidence.

    `by_default` None: the policy cannot be read. Selectors that cannot be read are left out, as the injector does.
    """

    by_default: bool | None = True
    never: tuple[Selector, ...] = ()
    always: tuple[Selector, ...] = ()
    include_inbound: str = "*"
    exclude_inbound: str = ""
    exclude_outbound: str = ""
    include_ranges: str = "*"
    exclude_ranges: str = ""
    status_port: str = "15020"
    source: RuleRef | None = None


def read_injector_config(cluster: Cluster) -> InjectorConfig:
    """The injector's settings. Several revisions that differ leave the policy unknown."""
    found = [obj for obj in cluster.all(CONFIG_MAP) if obj.name.startswith(_PREFIX)]
    configs = [_read(obj) for obj in found]
    if not configs:
        return InjectorConfig()
    first = configs[0]
    same = all(
        (c.by_default, c.never, c.always) == (first.by_default, first.never, first.always) for c in configs
    )
    return first if same else InjectorConfig(by_default=None, source=first.source)


def _read(obj: KubeObject) -> InjectorConfig:
    data = mapping_at(obj.body, "data")
    config, values = read_mapping(data.get("config")), read_mapping(data.get("values"))
    proxy = mapping_at(values or {}, "global", "proxy")
    unreadable = config is None and "config" in data
    policy = None if unreadable else (config or {}).get("policy", "enabled")
    known = {"enabled": True, "disabled": False}
    return InjectorConfig(
        by_default=known.get(policy) if isinstance(policy, str) else None,
        never=_selectors(config or {}, "neverInjectSelector"),
        always=_selectors(config or {}, "alwaysInjectSelector"),
        include_inbound=_text(proxy, "includeInboundPorts", "*"),
        exclude_inbound=_text(proxy, "excludeInboundPorts", ""),
        exclude_outbound=_text(proxy, "excludeOutboundPorts", ""),
        include_ranges=_text(proxy, "includeIPRanges", "*"),
        exclude_ranges=_text(proxy, "excludeIPRanges", ""),
        status_port=_text(proxy, "statusPort", "15020"),
        source=RuleRef(str(obj.id), "data", obj.evidence_id),
    )


def _text(raw: JsonObject, name: str, default: str) -> str:
    value = raw.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else default


def _selectors(config: JsonObject, name: str) -> tuple[Selector, ...]:
    found = []
    for raw in list_at(config, name):
        try:
            selector = parse_selector(raw)
        except SelectorError:
            continue
        if not selector.is_empty:
            found.append(selector)
    return tuple(found)
