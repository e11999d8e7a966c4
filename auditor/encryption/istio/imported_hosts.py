"""Sidecar.egress: which services a client's sidecar knows at all. What it doesn't know it passes on as it is."""

from auditor.encryption.istio.proxy_settings import SelectedObjects, governing_sidecars
from auditor.inventory.endpoints import Endpoint
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at
from auditor.model.verdict import RuleRef, Tri


def imports(
    sidecars: SelectedObjects, client: Endpoint, root: str, namespace: str, host: str, port: int
) -> tuple[Tri, RuleRef | None]:
    """Whether the client's sidecar knows a Service's host and port; the Sidecar that decides, None where none does."""
    chosen = governing_sidecars(sidecars, client, root)
    answers = {_imports(obj, client, namespace, host, port) for obj in chosen} or {True}
    rule = RuleRef(str(chosen[0].id), "spec.egress", chosen[0].evidence_id) if chosen else None
    if len(answers) > 1:
        return Tri.UNKNOWN, rule
    return (Tri.YES if answers.pop() else Tri.NO), rule


def _imports(obj: KubeObject, client: Endpoint, namespace: str, host: str, port: int) -> bool:
    listeners = mappings_at(obj.body, "spec", "egress")
    if not obj.spec.get("egress"):
        return True
    return any(_listener_imports(entry, client, namespace, host, port) for entry in listeners)


def _listener_imports(listener: JsonObject, client: Endpoint, namespace: str, host: str, port: int) -> bool:
    number = mapping_at(listener, "port").get("number")
    if number not in (None, port):
        return False
    for entry in list_at(listener, "hosts"):
        where, separator, pattern = str(entry).partition("/")
        wanted = client.namespace if where == "." else where
        matches = (
            pattern == "*" or pattern == host or (pattern.startswith("*.") and host.endswith(pattern[1:]))
        )
        if separator and wanted in ("*", namespace) and matches:
            return True
    return False
