"""ConfigMaps are evidence by name only: Istio's, the CNIs', and those that an ingress controller is told to read."""

import re
from collections.abc import Iterable, Iterator, Sequence

from auditor.collect.kept_fields import CONFIG_MAP_FLAGS
from auditor.collect.objects import redactions_of, with_body
from auditor.collect.redaction import CONFIG_MAP, drop_config_data, is_kept_config_map
from auditor.model.evidence import Redaction
from auditor.model.kinds import DAEMON_SET, DEPLOYMENT, POD, STATEFUL_SET, KindKey
from auditor.model.objects import KubeObject, list_at, mapping_at, mappings_at, text_at

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


_FIXED_NAMES = (
    *(("istio-system", name) for name in ("istio", "istio-sidecar-injector", "istio-ca-root-cert")),
    *(("linkerd", name) for name in ("linkerd-config", "linkerd-identity-trust-roots")),
    *(
        ("kube-system", name)
        for name in ("cilium-config", "kube-flannel-cfg", "antrea-config", "amazon-vpc-cni")
    ),
    *(
        ("kube-system", name)
        for name in ("canal-config", "calico-config", "kube-router-cfg", "azure-npm-config")
    ),
    ("kube-flannel", "kube-flannel-cfg"),
    ("openshift-ovn-kubernetes", "ovnkube-config"),
    ("ingress-nginx", "ingress-nginx-controller"),
)
_PLAIN_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_INJECTORS = KindKey("admissionregistration.k8s.io", "MutatingWebhookConfiguration")


def names_to_collect(objects: Iterable[KubeObject]) -> list[tuple[str, str]]:
    """Namespace and name of every ConfigMap to ask for: fixed ones, and those that objects read."""
    return plain_names(config_maps_read_by(list(objects)))


def config_maps_read_by(objects: Sequence[KubeObject]) -> set[tuple[str, str]]:
    """Istio's revisions, what agents and controllers mount or are told to read."""
    return {*_named_by_controllers(objects), *_mounted(objects), *_of_revisions(objects)}


def plain_names(read: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fixed ones and these, sorted. Names that Kubernetes wouldn't accept are left out."""
    return sorted(pair for pair in {*_FIXED_NAMES, *read} if all(map(_PLAIN_NAME.fullmatch, pair)))


def _mounted(objects: Iterable[KubeObject]) -> Iterator[tuple[str, str]]:
    for obj in objects:
        path = _RUNS_CONTROLLERS.get(obj.key)
        for volume in mappings_at(mapping_at(obj.body, *path), "volumes") if path else ():
            name = text_at(volume, "configMap", "name")
            if name and name != "kube-root-ca.crt" and is_kept_config_map(name):
                yield obj.namespace, name


def _of_revisions(objects: Iterable[KubeObject]) -> Iterator[tuple[str, str]]:
    for obj in objects:
        if obj.key != _INJECTORS or "istio.io/rev" not in obj.labels:
            continue
        revision = obj.labels["istio.io/rev"]
        suffix = "" if revision == "default" else f"-{revision}"
        for webhook in mappings_at(obj.body, "webhooks"):
            namespace = text_at(webhook, "clientConfig", "service", "namespace") or ""
            for name in ("istio", "istio-sidecar-injector"):
                yield from ((namespace, name), (namespace, f"{name}{suffix}"))
