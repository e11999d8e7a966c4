"""Generated changes of a cluster's policies."""

from hypothesis import strategies as st

from auditor.model.kinds import normalised_key
from auditor.network.recheck import POLICY_KINDS
from tests.network.building import Raw


def is_policy(raw: Raw) -> bool:
    """Whether an object is of a kind of which a change can be rechecked."""
    return normalised_key(raw["apiVersion"], raw["kind"])[0] in POLICY_KINDS


@st.composite
def changes(draw: st.DrawFn, states: st.SearchStrategy[list[Raw]]) -> tuple[list[Raw], list[Raw]]:
    """A cluster before and after: policies come, go, or get what another policy of their kind says."""
    objects = draw(states)
    before, after = [], []
    for raw in objects:
        fate = (
            draw(st.sampled_from(("stays", "comes", "goes", "changes", "changes")))
            if is_policy(raw)
            else "stays"
        )
        if fate != "comes":
            before.append(raw)
        if fate == "changes":
            alike = [other for other in objects if other["kind"] == raw["kind"] and "spec" in other]
            after.append({**raw, "spec": draw(st.sampled_from(alike or [raw])).get("spec")})
        elif fate != "goes":
            after.append(raw)
    return before, after
