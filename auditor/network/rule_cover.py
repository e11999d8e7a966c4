"""Rules of NetworkPolicies that others cover, and peers that others of the same rule cover.

Rules of NetworkPolicies only add up (networking.k8s.io/v1): what others let through as well may go, and all that are found
may go together.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

from auditor.network.ports import EVERYTHING, PortSet
from auditor.network.representation import BOTH, CompiledPolicy, Match, Rule, Term
from auditor.network.rule_flaw import Flaw, RuleFlaw

MAX_STEPS, MAX_TERMS = 10_000, 150
"""A rule whose cover isn't found in so many steps, among so many parts of other rules, counts as needed."""
MAX_RULES = 1_000
"""Of a namespace with more rules in a direction it isn't told which are redundant: the work grows with the square."""


class _Entry:
    """A rule with its policy, its place among the rules of its namespace, and the sets that it spans."""

    __slots__ = ("order", "owner", "peers", "rule", "size", "subjects", "sure")

    def __init__(self, owner: str, rule: Rule, order: int) -> None:
        self.owner, self.rule, self.order = owner, rule, order
        self.subjects = reduce(or_, (term.subjects for term in rule.terms))
        self.peers = reduce(or_, (term.peers for term in rule.terms))
        self.size = sum(term.subjects.bit_count() * term.peers.bit_count() for term in rule.terms)
        self.sure = all(term.unsure is None for term in rule.terms)


def covered_rules(policies: Sequence[CompiledPolicy]) -> Iterator[tuple[str, RuleFlaw]]:
    """Rules that others cover, the smallest first, and rules without a peer; each with its policy's object."""
    for direction in BOTH:
        by_namespace: dict[str, list[_Entry]] = {}
        for policy in policies:
            directed = policy.directions.get(direction)
            if directed is None or not directed.selects:
                continue
            entries = by_namespace.setdefault(policy.object.partition("/")[0], [])
            for rule in directed.rules:
                if rule.terms:
                    entries.append(_Entry(policy.object, rule, len(entries)))
                else:
                    yield policy.object, RuleFlaw(Flaw.MATCHES_NOTHING, rule.ref.rule, ())
        for entries in by_namespace.values():
            yield from _redundant(entries) if len(entries) <= MAX_RULES else _too_many(entries)


def _too_many(entries: list[_Entry]) -> Iterator[tuple[str, RuleFlaw]]:
    first = {entry.owner: entry for entry in reversed(entries)}
    for owner, entry in first.items():
        yield owner, RuleFlaw(Flaw.TOO_MANY, entry.rule.ref.rule, ())


def _redundant(entries: list[_Entry]) -> Iterator[tuple[str, RuleFlaw]]:
    """The smallest rules first, and of equal ones the last: what goes is the exception, not the rule that covers it."""
    kept = list(entries)
    gone = []
    for entry in sorted(entries, key=lambda entry: (entry.size, -entry.order)):
        others = [other for other in kept if other is not entry]
        if _cover(entry, others):
            kept = others
            gone.append(entry)
    for entry in gone:
        names = {f"{other.owner} {other.rule.ref.rule}" for other in _cover(entry, kept)}
        yield entry.owner, RuleFlaw(Flaw.REDUNDANT, entry.rule.ref.rule, tuple(sorted(names)))


def _cover(entry: _Entry, others: list[_Entry]) -> list[_Entry]:
    """Other rules that let through all that an entry does, a single one if possible; none where no such can be told."""
    if not entry.sure:
        return []
    near = [other for other in others if other.subjects & entry.subjects and other.peers & entry.peers]
    for choice in (*([other] for other in near), near):
        given = [term for other in choice for term in other.rule.terms if term.unsure is None]
        steps = [MAX_STEPS]
        if all(_covered(term, _meeting(term, given), steps) for term in entry.rule.terms):
            return choice
    return []


def _meeting(term: Term, others: list[Term]) -> list[Term]:
    return [other for other in others if _meet(term, other)][:MAX_TERMS]


def _meet(term: Term, other: Term) -> bool:
    return bool(term.subjects & other.subjects and term.peers & other.peers) and (
        term.ports.minus(other.ports) != term.ports
    )


def _covered(term: Term, others: Sequence[Term], steps: list[int]) -> bool:
    """Whether the union of products holds a product: cut the first that meets it out, and ask for the three pieces."""
    steps[0] -= 1
    if steps[0] < 0:
        return False
    place = next((i for i, other in enumerate(others) if _meet(term, other)), None)
    if place is None:
        return False
    first, rest = others[place], others[place + 1 :]
    both = term.subjects & first.subjects
    pieces = (
        Term(term.subjects & ~first.subjects, term.peers, term.ports),
        Term(both, term.peers & ~first.peers, term.ports),
        Term(both, term.peers & first.peers, _minus(term.ports, first.ports)),
    )
    return all(_covered(p, rest, steps) for p in pieces if p.subjects and p.peers and p.ports)


def _minus(ports: PortSet, others: PortSet) -> PortSet:
    """Every protocol without some ports stays what numbered rules can't cover."""
    return ports if ports == EVERYTHING and not others.everything else ports.minus(others)


def covered_peers(owner: str, path: str, matches: Sequence[Match]) -> Iterator[RuleFlaw]:
    """Peers of one rule (their matches, in order; `path` is the list's) that stand for nobody, or for nobody else."""
    if len(matches) < 2 or any(match.may for match in matches):
        return
    kept = list(range(len(matches)))
    for index in sorted(kept, key=lambda index: (matches[index].must.bit_count(), -index)):
        own = matches[index].must
        others = [other for other in kept if other != index]
        if not own and any(matches[other].must for other in others):
            yield RuleFlaw(Flaw.MATCHES_NOTHING, f"{path}[{index}]", ())
        elif own and not own & ~reduce(or_, (matches[other].must for other in others), 0):
            names = [f"{owner} {path}[{other}]" for other in others if matches[other].must & own]
            yield RuleFlaw(Flaw.REDUNDANT_PEER, f"{path}[{index}]", tuple(sorted(names)))
        else:
            continue
        kept = others
