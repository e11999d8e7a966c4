"""The shell script that collects a snapshot folder with kubectl: get only, no Secrets, empty kinds included."""

from collections.abc import Iterator
from importlib import resources

from auditor.model.kinds import KNOWN_KINDS, KnownKind

_OLD_GROUPS = {
    "projectcalico.org": ("first", "crd.projectcalico.org"),
    "traefik.io": ("every", "traefik.containo.us"),
}
"""Groups that also serve the same kinds: `first` when they are two views of one store, `every` when both hold objects."""

_MARKER = "# @lists@\n"


def snapshot_script() -> str:
    """The script, POSIX sh. It asks for every kind that the auditor reads and writes down which answers were complete."""
    template = resources.files("auditor.collect").joinpath("collect_snapshot.sh").read_text("utf-8")
    before, _, after = template.partition(_MARKER)
    return before + "".join(f"{line}\n" for line in _lists()) + after


def _lists() -> Iterator[str]:
    for known in KNOWN_KINDS.values():
        if not known.by_name:
            yield " ".join(("list", *_arguments(known)))


def _arguments(known: KnownKind) -> Iterator[str]:
    mode, old_group = _OLD_GROUPS.get(known.key.group, ("first", None))
    yield mode
    yield "namespaced" if known.namespaced else "cluster"
    yield f"'{known.key.group}'"
    yield known.plural
    yield known.resource
    if old_group:
        yield f"{known.plural}.{old_group}"
