"""MeshConfig: ConfigMap `istio` or `istio-<revision>`, key `mesh` (defaults of pkg/config/mesh)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from auditor.encryption.embedded_yaml import read_mapping
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import CONFIG_MAP
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, text_at
from auditor.model.verdict import Cause, RuleRef

ROOT_NAMESPACE = "istio-system"
REVISION = "istio.io/rev"
_DEFAULT = "default"
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """The settings that decide about encryption. None is a setting that cannot be read.

    The `export` fields are what `exportTo` is where ServiceEntries and Services, VirtualServices, DestinationRules leave it
    out.

    `source` None: no ConfigMap is in the evidence, so that Istio's defaults are assumed.
    """

    root_namespace: str | None = ROOT_NAMESPACE
    auto_mtls: bool | None = True
    outbound_any: bool | None = True
    interception_mode: str | None = "REDIRECT"
    minimum_tls: str | None = None
    trust_domain: str = "cluster.local"
    service_export: tuple[str, ...] = ("*",)
    route_export: tuple[str, ...] = ("*",)
    rule_export: tuple[str, ...] = ("*",)
    source: RuleRef | None = None
    revision: str = _DEFAULT

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What has to be said of where the settings come from."""
        return () if self.source else (Cause("istio.mesh-config-assumed"),)


class MeshConfigs:
    """The MeshConfigs of a cluster, one for each revision of the control plane."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        found = (obj for obj in cluster.all(CONFIG_MAP) if _is_mesh_config(obj))
        self.all: tuple[MeshConfig, ...] = tuple(_read(obj) for obj in found) or (MeshConfig(),)
        self._by_revision = {
            revision: _common([config for config in self.all if config.revision == revision])
            for revision in {config.revision for config in self.all}
        }

    def of(self, endpoint: Endpoint) -> MeshConfig:
        """The config of the endpoint's revision; settings on which several candidates differ are None."""
        revision = (
            endpoint.annotations.get(REVISION)
            or endpoint.labels.get(REVISION)
            or self._cluster.namespace_labels(endpoint.namespace).get(REVISION)
            or _DEFAULT
        )
        return self._by_revision.get(revision) or self.common

    @property
    def common(self) -> MeshConfig:
        """What all revisions agree on."""
        return _common(self.all)


def _common(configs: Sequence[MeshConfig]) -> MeshConfig:
    """What configs agree on; two control planes may call their revision by the same name."""
    if len(configs) == 1:
        return configs[0]
    return MeshConfig(
        root_namespace=_agreed(config.root_namespace for config in configs),
        auto_mtls=_agreed(config.auto_mtls for config in configs),
        outbound_any=_agreed(config.outbound_any for config in configs),
        interception_mode=_agreed(config.interception_mode for config in configs),
        minimum_tls=_agreed(config.minimum_tls for config in configs),
        service_export=_agreed(config.service_export for config in configs) or ("*",),
        route_export=_agreed(config.route_export for config in configs) or ("*",),
        rule_export=_agreed(config.rule_export for config in configs) or ("*",),
        source=configs[0].source,
        revision=configs[0].revision,
    )


def _agreed(values: Iterable[V]) -> V | None:
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _is_mesh_config(obj: KubeObject) -> bool:
    named = obj.name == "istio" or obj.name.startswith("istio-")
    return named and "mesh" in mapping_at(obj.body, "data")


def _read(obj: KubeObject) -> MeshConfig:
    source = RuleRef(str(obj.id), "data.mesh", obj.evidence_id)
    revision = obj.labels.get(REVISION) or obj.name.removeprefix("istio").removeprefix("-") or _DEFAULT
    mesh = read_mapping(mapping_at(obj.body, "data").get("mesh"))
    if mesh is None:
        return MeshConfig(None, None, None, None, None, source=source, revision=revision)
    policy = text_at(mesh, "outboundTrafficPolicy", "mode") or "ALLOW_ANY"
    return MeshConfig(
        root_namespace=_text(mesh, "rootNamespace", ROOT_NAMESPACE),
        auto_mtls=_flag(mesh, "enableAutoMtls", default=True),
        outbound_any={"ALLOW_ANY": True, "REGISTRY_ONLY": False}.get(policy),
        interception_mode=_text(mapping_at(mesh, "defaultConfig"), "interceptionMode", "REDIRECT"),
        minimum_tls=text_at(mesh, "meshMTLS", "minProtocolVersion"),
        trust_domain=text_at(mesh, "trustDomain") or "cluster.local",
        service_export=_exports(mesh, "defaultServiceExportTo"),
        route_export=_exports(mesh, "defaultVirtualServiceExportTo"),
        rule_export=_exports(mesh, "defaultDestinationRuleExportTo"),
        source=source,
        revision=revision,
    )


def _exports(raw: JsonObject, name: str) -> tuple[str, ...]:
    """To whom objects without `exportTo` are exported: everybody where nothing is said."""
    return tuple(str(entry) for entry in list_at(raw, name)) or ("*",)


def _text(raw: JsonObject, name: str, default: str) -> str | None:
    value = raw.get(name)
    if value is None or value == "":
        return default
    return value if isinstance(value, str) else None


def _flag(raw: JsonObject, name: str, *, default: bool) -> bool | None:
    value = raw.get(name, default)
    if value is None:
        return default
    return value if isinstance(value, bool) else None
