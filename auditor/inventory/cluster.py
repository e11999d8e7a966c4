"""The snapshot, indexed: objects by kind, by namespace and by id."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from auditor.model.evidence import Gap, Snapshot
from auditor.model.kinds import CONFIG_MAP, NAMESPACE, NODE, POD, KindKey
from auditor.model.objects import KubeObject, ObjectId, mapping_at

NAME_LABEL = "kubernetes.io/metadata.name"


class Cluster:
    """An indexed snapshot. Everything it returns is sorted by object id."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._by_key: dict[KindKey, list[KubeObject]] = {}
        self._by_id: dict[ObjectId, KubeObject] = {}
        self._completeness: dict[tuple[KindKey, str | None, str | None, bool], Gap] = {}
        for obj in sorted(snapshot.objects, key=lambda entry: entry.id):
            self._by_key.setdefault(obj.key, []).append(obj)
            self._by_id[obj.id] = obj

    def all(self, key: KindKey) -> Sequence[KubeObject]:
        """All objects of a kind."""
        return self._by_key.get(key, ())

    def in_namespace(self, key: KindKey, namespace: str) -> Sequence[KubeObject]:
        """The objects of a kind in one namespace."""
        return self._namespaced.get(key, {}).get(namespace, ())

    def get(self, key: KindKey, namespace: str, name: str) -> KubeObject | None:
        """One object, or None; None says nothing about its existence unless the kind is complete."""
        return self._by_id.get(ObjectId(key.group, key.kind, namespace, name))

    def config_map(self, namespace: str, name: str) -> KubeObject | None:
        """A named ConfigMap."""
        return self.get(CONFIG_MAP, namespace, name)

    def completeness(
        self, key: KindKey, namespace: str | None = None, name: str | None = None, *, observed: bool = False
    ) -> Gap:
        """See Snapshot.completeness; `observed` for conclusions from the absence of an agent or a proxy."""
        asked = (key, namespace, name, observed)
        found = self._completeness.get(asked)
        if found is None:
            found = self.snapshot.completeness(key, namespace, name, observed=observed)
            self._completeness[asked] = found
        return found

    def kinds(self) -> Iterator[KindKey]:
        """The kinds of which an object is there, sorted."""
        return iter(sorted(self._by_key))

    @cached_property
    def _namespaced(self) -> Mapping[KindKey, Mapping[str, list[KubeObject]]]:
        index: dict[KindKey, dict[str, list[KubeObject]]] = {}
        for key, objects in self._by_key.items():
            per_namespace = index.setdefault(key, {})
            for obj in objects:
                per_namespace.setdefault(obj.namespace, []).append(obj)
        return index

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace that has an object or a Namespace object, sorted."""
        named = {obj.name for obj in self.all(NAMESPACE)}
        return tuple(sorted(named | {obj.namespace for obj in self.snapshot.objects if obj.namespace}))

    @cached_property
    def _namespace_labels(self) -> Mapping[str, Mapping[str, str]]:
        objects = {obj.name: obj for obj in self.all(NAMESPACE)}
        return {
            name: {**(objects[name].labels if name in objects else {}), NAME_LABEL: name}
            for name in self.namespaces
        }

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """The namespace's labels; the API server always sets kubernetes.io/metadata.name, so it is added.

        A namespace without a Namespace object has that label alone: ask `knows_namespace` first where other labels
        decide.
        """
        return self._namespace_labels.get(namespace) or {NAME_LABEL: namespace}

    def knows_namespace(self, namespace: str) -> bool:
        """Whether the Namespace object, and with it the labels, is in the evidence."""
        return self.get(NAMESPACE, "", namespace) is not None

    def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        """The namespace's annotations, empty where there is no Namespace object."""
        obj = self.get(NAMESPACE, "", namespace)
        return obj.annotations if obj else {}

    @cached_property
    def nodes(self) -> Sequence[KubeObject]:
        """The Node objects."""
        return self.all(NODE)

    @cached_property
    def pods(self) -> Sequence[KubeObject]:
        """The Pod objects, finished ones included."""
        return self.all(POD)


def is_finished(pod: KubeObject) -> bool:
    """Succeeded and Failed pods have lost their address (connectivity.md 9)."""
    return pod.status.get("phase") in ("Succeeded", "Failed")


def is_ready(pod: KubeObject) -> bool:
    """Whether the pod's Ready condition is True."""
    conditions = pod.status.get("conditions")
    return isinstance(conditions, list) and any(
        mapping_at(c).get("type") == "Ready" and mapping_at(c).get("status") == "True" for c in conditions
    )
