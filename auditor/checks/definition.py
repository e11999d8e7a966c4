"""How a check is declared: what it reads, its closed list of reasons, its parameters, and the function."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from auditor.model.finding import Exclusion, Read, Reason, Subject

if TYPE_CHECKING:
    from auditor.checks.context import Context


class NoParameters(BaseModel):
    """For checks that take no parameters; giving one is an error."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a check says of one subject: a reason of its closed list, with parameters and evidence ids.

    `listed` False: about the whole control (`not applicable: no mesh`), not one of its population.
    """

    reason: str
    subject: Subject
    parameters: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    listed: bool = True


Yielded = Judgement | Exclusion
CheckFunction = Callable[["Context", Any], Iterator[Yielded]]


@dataclass(frozen=True, slots=True)
class Check:
    """A declared check. `reasons` by code; `reads` tell the runner which outcomes to distrust when a kind is incomplete."""

    id: str
    reads: tuple[Read, ...]
    reasons: Mapping[str, Reason]
    run: CheckFunction
    parameters: type[BaseModel] = NoParameters
    description: str = ""


def check(
    id: str,
    *,
    reads: tuple[Read, ...],
    reasons: tuple[Reason, ...],
    parameters: type[BaseModel] = NoParameters,
) -> Callable[[CheckFunction], Check]:
    """Declare a check. The function's docstring says when it passes, when it fails and what it does not prove."""

    def declare(function: CheckFunction) -> Check:
        by_code = {reason.code: reason for reason in reasons}
        if len(by_code) != len(reasons) or not function.__doc__:
            raise ValueError(f"check {id}: reasons must be unique and the function documented")
        return Check(id, reads, by_code, function, parameters, function.__doc__)

    return declare
