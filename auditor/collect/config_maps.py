"""ConfigMaps are evidence by name only: Istio's, the CNIs', and those that an ingress controller is told to read."""

from collections.abc import Iterable, Iterator, Sequence

from auditor.collect.kept_fields import CONFIG_MAP_FLAGS
from auditor.collect.objects import redactions_of, with_body
from auditor.collect.redaction import CONFIG_MAP, drop_config_data, is_kept_config_map
from auditor.model.evidence import Redaction
from auditor.model.kinds import DAEMON_SET, DEPLOYMENT, POD, STATEFUL_SET
from auditor.model.objects import KubeObject, list_at, mapping_at, mappings_at

_RUNS_CONTROLLERS = {
    POD: ("spec",),
    **dict.fromkeys((DEPLOYMENT, DAEMON_SET, STATEFUL_SET), ("spec", "template", "spec")),
}


def keep_named_config_maps(objects: Sequence[KubeObject]) -> tuple[list[KubeObject], list[Redaction]]:
    """The objects, with the data of every other ConfigMap dropped. It needs all objects: a controller's argument may
    name a ConfigMap in another file."""
    named = set(_named_by_controllers(objects))
    kept, redactions = [], []
    for obj in objects:
        if obj.key != CONFIG_MAP or is_kept_config_map(obj.name) or (obj.namespace, obj.name) in named:
            kept.append(obj)
            continue
        body = dict(obj.body)
        dropped = drop_config_data(body)
        kept.append(with_body(obj, body) if dropped else obj)
        redactions += redactions_of(obj.id, dropped)
    return kept, redactions


def _named_by_controllers(objects: Iterable[KubeObject]) -> Iterator[tuple[str, str]]:
    for obj in objects:
        path = _RUNS_CONTROLLERS.get(obj.key)
        for container in mappings_at(mapping_at(obj.body, *path), "containers") if path else ():
            words = [
                word
                for word in list_at(container, "args") + list_at(container, "command")
                if "=" in str(word)
            ]
            for word in words:
                name, _, value = str(word).lstrip("-").partition("=")
                namespace, slash, config_map = value.partition("/")
                if name.lower() in CONFIG_MAP_FLAGS and slash:
                    yield (obj.namespace if namespace.startswith("$(") else namespace), config_map
