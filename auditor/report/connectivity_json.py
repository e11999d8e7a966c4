"""Connectivity in canonical JSON: sorted keys, one entry of a list on a line.

Rows are put together from parts that are serialised once for each verdict, so the cost of a row is that of joining text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel

from auditor.evaluate.connectivity_view import ConnectivityView
from auditor.model.verdict import RuleRef
from auditor.network.all_pairs import PairVerdict
from auditor.network.ports import PortSet
from auditor.network.reach import Because

_LINES = 1_000
_SURROGATES = re.compile("[\ud800-\udfff]")


def render_connectivity(view: ConnectivityView) -> bytes:
    """The view in the shape of the contract (`auditor schema connectivity`)."""
    return b"".join(connectivity_chunks(view))


def connectivity_chunks(view: ConnectivityView) -> Iterator[bytes]:
    """The same in pieces, as there may be more than memory should hold."""
    parts: dict[str, Iterable[bytes]] = {
        "basis": [_dump(view.basis)],
        "completeness": [_dump(view.completeness)],
        "connections": _listed(_connections(view)),
        "endpoints": _listed(map(_dump, view.endpoints)),
        "enforcement": _listed(map(_dump, view.enforcement)),
        "externals": _listed(map(_dump, view.externals)),
        "format_version": [b"1"],
        "groups": _listed(map(_dump, view.groups)),
        "level": [_dump(view.level)],
    }
    before = b"{\n"
    for name in sorted(parts):
        yield b'%s"%s": ' % (before, name.encode())
        yield from parts[name]
        before = b",\n"
    yield b"\n}\n"


def render_record(record: BaseModel) -> bytes:
    """A small result: indented, keys sorted."""
    return _dump(record, orjson.OPT_INDENT_2) + b"\n"


def _listed(entries: Iterable[bytes]) -> Iterator[bytes]:
    """One entry of a list on a line, a thousand lines at once."""
    remaining = iter(entries)
    before = b"[\n"
    while lines := list(islice(remaining, _LINES)):
        yield before + b",\n".join(lines)
        before = b",\n"
    yield b"[]" if before == b"[\n" else b"\n]"


def _connections(view: ConnectivityView) -> Iterator[bytes]:
    """The keys in their order: allowed, conditional, decided_by | destination | indeterminate | source."""
    pieces = [_verdict(verdict) for verdict in view.verdicts]
    names = [_dump(id) for id in view.pairs.ids]
    for source, line in zip(names, view.pairs.matrix, strict=True):
        for position in np.flatnonzero(line).tolist():
            before, after = pieces[line[position]]
            yield b'%s,"destination":%s,%s,"source":%s}' % (before, names[position], after, source)


def _verdict(verdict: PairVerdict) -> tuple[bytes, bytes]:
    before = {
        "allowed": ports_json(verdict.allowed),
        "conditional": because_json(verdict.conditional),
        "decided_by": rules_json(verdict.decided_by),
    }
    after = {"indeterminate": because_json(verdict.indeterminate)}
    return _dump(before)[:-1], _dump(after)[1:-1]


def ports_json(ports: PortSet) -> list[dict[str, Any]]:
    """The port set as the contract has it, sorted by protocol."""
    return ports.as_json()


def because_json(entries: Because) -> list[dict[str, Any]]:
    """Ports with the code of their reason."""
    told = [{**entry, "reason": why.code} for ports, why in entries for entry in ports.as_json()]
    return sorted(told, key=lambda entry: (entry["protocol"], entry["ports"], entry["reason"]))


def rules_json(rules: Sequence[RuleRef]) -> list[dict[str, str]]:
    """Deciding rules: object, path inside it, evidence."""
    return [{"object": r.object, "rule": r.rule, "evidence": r.evidence_id} for r in sorted(set(rules))]


def _dump(value: Any, options: int = 0) -> bytes:
    content = value.model_dump() if isinstance(value, BaseModel) else value
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS | options)
    except TypeError:
        return orjson.dumps(_encodable(content), option=orjson.OPT_SORT_KEYS | options)


def _encodable(value: Any) -> Any:
    """Lone surrogates, which hostile objects may hold and JSON can't, become U+FFFD."""
    if isinstance(value, str):
        return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(entry) for entry in value]
    return value
