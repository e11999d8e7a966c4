"""The pods behind Istio Gateways, and what of the mesh's configuration changes all their servers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from auditor.encryption.embedded_yaml import read_mapping
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry.tls_versions import version_of
from auditor.model.kinds import CONFIG_MAP, KindKey
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, text_at

ENVOY_FILTER = KindKey("networking.istio.io", "EnvoyFilter")
_ROOT = "istio-system"
DEFAULT_MINIMUM = "1.2"
_LISTENER_PATCHES = ("LISTENER", "FILTER_CHAIN", "LISTENER_FILTER")


@dataclass(frozen=True, slots=True)
class GatewayPods:
    """The pods that a Gateway's selector matches: their namespaces, none where no pod is in the evidence.

    `udp_ports` are ports of their Services, outside and inside; `patching` an EnvoyFilter that may change their listeners.
    """

    namespaces: frozenset[str]
    udp_ports: frozenset[int]
    patching: KubeObject | None


class IstioGatewayPods:
    """Gateway pods by selector, each selector looked up once."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._found: dict[str, GatewayPods] = {}

    def of(self, gateway: KubeObject) -> GatewayPods:
        """The pods that serve a Gateway; an empty selector matches every pod."""
        selector = mapping_at(gateway.spec, "selector")
        key = repr(sorted((str(name), str(value)) for name, value in selector.items()))
        if key not in self._found:
            self._found[key] = self._look_up(selector)
        return self._found[key]

    @cached_property
    def minimum_versions(self) -> list[tuple[str | None, str]]:
        """`tlsDefaults.minProtocolVersion` of every MeshConfig that sets it, with its evidence id."""
        found: dict[str | None, str] = {}
        for obj, mesh in self._mesh_configs:
            wanted = text_at(mesh, "tlsDefaults", "minProtocolVersion")
            if wanted and wanted != "TLS_AUTO":
                found.setdefault(version_of(wanted), obj.evidence_id)
        return list(found.items())

    @property
    def only_minimum(self) -> str | None:
        """The version that holds where a listener sets none: tlsDefaults, or the documented 1.2; None where they differ."""
        found = self.minimum_versions
        return found[0][0] if len(found) == 1 else None if found else DEFAULT_MINIMUM

    def _look_up(self, selector: JsonObject) -> GatewayPods:
        serving = [b for b in self._sources.every_backend if _matches(selector, b.endpoint.labels)]
        spaces = {pod.namespace for pod in self._sources.cluster.pods if _matches(selector, pod.labels)}
        spaces |= {backend.endpoint.namespace for backend in serving}
        udp = (port for b in serving if b.protocol == "UDP" for port in (b.service_port, b.target_port))
        return GatewayPods(frozenset(spaces), frozenset(udp), self._patching(selector, spaces))

    def _patching(self, selector: JsonObject, spaces: set[str]) -> KubeObject | None:
        """An EnvoyFilter of the pods' namespace or of a root namespace; of any namespace where no pod is known."""
        places = spaces | self._root_namespaces
        for obj in self._sources.cluster.all(ENVOY_FILTER):
            if spaces and obj.namespace not in places:
                continue
            own = mapping_at(obj.spec, "workloadSelector", "labels")
            patches = mappings_at(obj.spec, "configPatches")
            if _overlap(own, selector) and any(_patches_listeners(patch) for patch in patches):
                return obj
        return None

    @cached_property
    def _root_namespaces(self) -> set[str]:
        return {text_at(mesh, "rootNamespace") or _ROOT for _, mesh in self._mesh_configs} or {_ROOT}

    @cached_property
    def _mesh_configs(self) -> list[tuple[KubeObject, JsonObject]]:
        found = [obj for obj in self._sources.cluster.all(CONFIG_MAP) if _is_mesh_config(obj)]
        return [(obj, read_mapping(mapping_at(obj.body, "data").get("mesh")) or {}) for obj in found]


def _is_mesh_config(obj: KubeObject) -> bool:
    named = obj.name == "istio" or obj.name.startswith("istio-")
    return named and "mesh" in mapping_at(obj.body, "data")


def _matches(selector: JsonObject, labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _overlap(first: JsonObject, second: JsonObject) -> bool:
    """Whether two label sets can select the same pod."""
    return all(second.get(key, value) == value for key, value in first.items())


def _patches_listeners(patch: JsonObject) -> bool:
    """Whether a patch can reach a gateway's listeners or their filter chains (contexts GATEWAY and ANY)."""
    context = text_at(patch, "match", "context") or "ANY"
    return patch.get("applyTo") in _LISTENER_PATCHES and context in ("GATEWAY", "ANY")
