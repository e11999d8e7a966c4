"""What is remembered of the objects of a list, which themselves go to the store."""

from collections.abc import MutableMapping
from dataclasses import dataclass, field

from auditor.collect.config_maps import config_maps_read_by
from auditor.collect.live.store import Store
from auditor.collect.objects import FileContent, hash_but_for_version
from auditor.model.evidence import Redaction
from auditor.model.kinds import NAMESPACE
from auditor.model.objects import KubeObject, ObjectId, text_at

_KUBE_SYSTEM = ObjectId(*NAMESPACE, "", "kube-system")


@dataclass(slots=True)
class ListKeeper:
    """Takes the pages of one list.

    `copies` are hashes of the objects that other lists of the kind gave, where the API server has them in two versions;
    None where it hasn't. `config_maps` are those that objects of the list read, `uid` that of the kube-system Namespace.
    """

    store: Store
    copies: MutableMapping[ObjectId, str] | None = None
    items: int = 0
    mark: int = field(init=False)
    redactions: list[Redaction] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    config_maps: set[tuple[str, str]] = field(default_factory=set)
    uid: str | None = None
    namespaces: set[str] = field(default_factory=set)
    """Names of the Namespaces in the list."""

    _hashed: list[ObjectId] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mark = self.store.mark()

    def take(self, content: FileContent) -> None:
        """Store the objects of a page, each once."""
        objects = [obj for obj in content.objects if self._is_new(obj)]
        self.items += len(objects)
        self.problems += [problem.message for problem in content.problems]
        self.redactions += content.redactions
        self.config_maps.update(config_maps_read_by(objects))
        for obj in objects:
            if obj.key == NAMESPACE:
                self.namespaces.add(obj.id.name)
            if obj.id == _KUBE_SYSTEM:
                self.uid = text_at(obj.body, "metadata", "uid")
        self.store.add(objects)

    def start_over(self) -> None:
        """Forget everything."""
        self.store.roll_back(self.mark)
        self.items, self.uid = 0, None
        for kept in (self.redactions, self.problems, self.config_maps, self.namespaces):
            kept.clear()
        for identity in self._hashed:
            if self.copies is not None:
                del self.copies[identity]
        self._hashed.clear()

    def _is_new(self, obj: KubeObject) -> bool:
        if self.copies is None:
            return True
        digest = hash_but_for_version(obj)
        if obj.id not in self.copies:
            self.copies[obj.id] = digest
            self._hashed.append(obj.id)
            return True
        if self.copies[obj.id] != digest:
            self.problems.append(f"two different objects are {obj.id}, one of them {obj.source}")
        return False
