"""What controllers report of objects of the Gateway API: conditions, as far as they speak of the present generation."""

from collections.abc import Iterable

from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Tri


def reported(owner: KubeObject, conditions: Iterable[JsonObject], kind: str) -> tuple[Tri, str]:
    """A condition's status and reason; unknown where nobody has reported it, or only for an older generation."""
    generation = owner.metadata.get("generation")
    for condition in conditions:
        if condition.get("type") != kind:
            continue
        seen = condition.get("observedGeneration")
        if isinstance(seen, int) and isinstance(generation, int) and seen < generation:
            continue
        status = {"True": Tri.YES, "False": Tri.NO}.get(str(condition.get("status")), Tri.UNKNOWN)
        return status, text_at(condition, "reason") or ""
    return Tri.UNKNOWN, ""


def of_listener(parent: KubeObject, listener: str, kind: str) -> Tri:
    """What is reported of one listener of a Gateway or ListenerSet."""
    for status in mappings_at(parent.body, "status", "listeners"):
        if text_at(status, "name") == listener:
            return reported(parent, mappings_at(status, "conditions"), kind)[0]
    return Tri.UNKNOWN


def of_parent(route: KubeObject, parent: KubeObject, reference: JsonObject, kind: str) -> Tri:
    """What is reported of a route at one of its parents: `no` only where every controller that speaks says no."""
    found = set()
    for status in mappings_at(route.body, "status", "parents"):
        named = mapping_at(status, "parentRef")
        space = text_at(named, "namespace") or route.namespace
        same = (text_at(named, "kind") or "Gateway", space, text_at(named, "name"))
        sections = all((named.get(k) or None) == (reference.get(k) or None) for k in ("sectionName", "port"))
        if same == (parent.id.kind, parent.namespace, parent.name) and sections:
            found.add(reported(route, mappings_at(status, "conditions"), kind)[0])
    if Tri.YES in found or Tri.UNKNOWN in found or not found:
        return Tri.YES if Tri.YES in found else Tri.UNKNOWN
    return Tri.NO


def of_ancestor(policy: KubeObject, ancestor: KubeObject, kind: str) -> tuple[Tri, str]:
    """What is reported of a policy for one Gateway: status and reason."""
    for status in mappings_at(policy.body, "status", "ancestors"):
        named = mapping_at(status, "ancestorRef")
        space = text_at(named, "namespace") or policy.namespace
        if text_at(named, "name") == ancestor.name and space == ancestor.namespace:
            found = reported(policy, mappings_at(status, "conditions"), kind)
            if found[0] is not Tri.UNKNOWN:
                return found
    return Tri.UNKNOWN, ""
