"""A snapshot folder: one file for each kind that has objects, as kubectl prints it, and the claims beside them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from auditor.model.kinds import KNOWN_KINDS, KnownKind
from generator.store import Obj, Store

CONFIG_MAPS = (
    ("ingress-nginx", "ingress-nginx-controller"),
    ("istio-system", "istio"),
    ("kube-flannel", "kube-flannel-cfg"),
    ("kube-system", "amazon-vpc-cni"),
    ("kube-system", "antrea-config"),
    ("kube-system", "cilium-config"),
    ("kube-system", "kube-flannel-cfg"),
    ("linkerd", "linkerd-config"),
)
"""The ConfigMaps that are asked for by name."""

_CALICO = ("projectcalico.org", "crd.projectcalico.org")


class _KubectlDumper(yaml.SafeDumper):
    """YAML as kubectl prints it: keys sorted, double quotes, no references, no wrapped lines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def choose_scalar_style(self) -> str:
        style = super().choose_scalar_style()
        return '"' if style == "'" else style


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_KubectlDumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    """The YAML of plain data."""
    return yaml.dump(value, Dumper=_KubectlDumper, width=100_000, allow_unicode=True)


def snapshot_files(store: Store, header: Obj) -> Mapping[str, str]:
    """Every file of the folder by name. `header` is the part of snapshot.yaml before the claims."""
    groups: dict[str, list[Obj]] = {}
    for obj in store:
        groups.setdefault(_file_name(obj, store), []).append(obj)
    files = {name: as_yaml(_list(sorted(objects, key=_place))) for name, objects in groups.items()}
    files["snapshot.yaml"] = as_yaml({**header, "complete": list(_claims(store))})
    return files


def _place(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _list(objects: list[Obj]) -> Obj:
    return {"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}}


def _file_name(obj: Obj, store: Store) -> str:
    group = obj["apiVersion"].rpartition("/")[0]
    metadata = obj["metadata"]
    if obj["kind"] == "ConfigMap":
        return f"configmaps.{metadata['namespace']}.{metadata['name']}.yaml"
    plural = _served(store).get((group, obj["kind"])) or _built_in(group, obj["kind"])
    return f"{plural}.{group}.yaml" if group else f"{plural}.yaml"


def _built_in(group: str, kind: str) -> str:
    return next(k.plural for key, k in KNOWN_KINDS.items() if key.group == group and key.kind == kind)


def _served(store: Store) -> Mapping[tuple[str, str], str]:
    """Plural by group and kind of the resources that CustomResourceDefinitions add."""
    found = {}
    for definition in store.of("CustomResourceDefinition"):
        spec = definition["spec"]
        found[spec["group"], spec["names"]["kind"]] = spec["names"]["plural"]
    return found


def _claims(store: Store) -> Iterable[Obj]:
    served = _served(store)
    for key in sorted(KNOWN_KINDS):
        known = KNOWN_KINDS[key]
        if not known.by_name:
            command = _command(known, served)
            yield _claim(known, "*", "", command)
    config_map = next(known for known in KNOWN_KINDS.values() if known.by_name)
    for namespace, name in CONFIG_MAPS:
        selector = f"metadata.name={name}"
        command = f"kubectl get configmaps -n {namespace} --field-selector {selector} -o yaml"
        yield _claim(config_map, [namespace], selector, command)


def _claim(known: KnownKind, namespaces: str | list[str], selector: str, command: str) -> Obj:
    about = {"group": known.key.group, "resource": known.plural, "namespaces": namespaces}
    return {**about, "selector": selector, "command": command}


def _command(known: KnownKind, served: Mapping[tuple[str, str], str]) -> str:
    group = known.key.group
    stored = _CALICO[1] if group == _CALICO[0] else group
    if (stored, known.key.kind) in served:
        return f"kubectl get {known.plural}.{stored} {'-A ' if known.namespaced else ''}-o yaml"
    if group and not _is_built_in(group):
        return f"kubectl api-resources --api-group={group}"
    return f"kubectl get {known.resource} {'-A ' if known.namespaced else ''}-o yaml"


def _is_built_in(group: str) -> bool:
    built_in = {"apps", "batch", "discovery.k8s.io", "networking.k8s.io", "admissionregistration.k8s.io"}
    return group in built_in or group == "apiextensions.k8s.io"


def write_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write what differs, remove generated files that are no longer made; the names that changed."""
    changed = differing(folder, files)
    for name in changed:
        if name in files:
            (folder / name).write_text(files[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def differing(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Names of files that are missing, out of date, or no longer made."""
    by_hand = {"scope.yaml"}
    there = {path.name for path in folder.glob("*.yaml")} - by_hand
    return sorted(
        name
        for name in {*files, *there}
        if name not in files
        or name not in there
        or (folder / name).read_text(encoding="utf-8") != files[name]
    )
