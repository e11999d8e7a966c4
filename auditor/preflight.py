"""What the credentials of a live audit may do, held against what it needs: asked before anything is collected."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from auditor.collect.live.access import Action, Answer, Needed, Reviewer, RulesAnswer
from auditor.evaluate.excess import PROBES, excess_in_rules, excess_of
from auditor.evaluate.permissions import ServiceAccountName, roles, tier_resource
from auditor.model.kinds import CONFIG_MAP, KNOWN_KINDS, KindKey
from auditor.model.preflight_result import ExcessRow, PermissionRow, PreflightResult
from auditor.report.role_yaml import render_manifests

_Known = Literal["complete", "partial", "unknown"]

MISSING = "auditor-missing"
"""The name of the roles that grant what is missing."""

_ALWAYS_LOOKED_INTO = ("default", "kube-system")


def run_reviews(
    reviewer: Reviewer,
    controls: Mapping[KindKey, Sequence[str]],
    config_maps: Sequence[tuple[str, str]],
    *,
    namespaces: Sequence[str] | None = None,
    account: ServiceAccountName | None = None,
) -> PreflightResult:
    """Ask for everything that collection takes, and for what it should not be able to do.

    `controls` are the ids by the kind that they need. Raises UserError when the cluster can't be asked at all.
    """
    needed, not_served = reviewer.needed(controls, config_maps, namespaces)
    needed += _of_tiers(needed)
    answers = [(entry, reviewer.ask(entry.action)) for entry in needed]
    missing = [entry for entry, answer in answers if answer.allowed is False]
    excess, known, cause = _excess(reviewer, namespaces)
    return PreflightResult(
        cluster=reviewer.connection.cluster_name,
        user=reviewer.connection.user,
        namespaces=list(namespaces) if namespaces is not None else None,
        permissions=sorted(
            (_row(answer, controls.get(entry.key, ())) for entry, answer in answers),
            key=lambda row: (row.group, row.resource, row.namespace, row.name, row.verb),
        ),
        not_served=[KNOWN_KINDS[key].resource for key in not_served],
        excess=excess,
        excess_known=known,
        excess_cause=cause,
        fix=_fix(missing, namespaces, account),
    )


def _of_tiers(needed: Iterable[Needed]) -> list[Needed]:
    """What Calico's own API server asks for beside `list`; the group that its objects are stored in has no tiers."""
    found = []
    for entry in needed:
        tiered = tier_resource(entry.key)
        if tiered is not None and entry.action.group == "projectcalico.org":
            place = entry.action.namespace
            found += [
                Needed(Action(verb, "projectcalico.org", tiered, place), entry.key)
                for verb in ("get", "list")
            ]
    tiers = [Needed(Action("get", "projectcalico.org", "tiers"), found[0].key)] if found else []
    return [*found, *tiers]


def _row(answer: Answer, controls: Sequence[str]) -> PermissionRow:
    action = answer.action
    return PermissionRow(
        verb=action.verb,
        group=action.group,
        resource=action.resource,
        namespace=action.namespace,
        name=action.name,
        allowed="unknown" if answer.allowed is None else "yes" if answer.allowed else "no",
        cause=answer.cause,
        controls=list(controls),
    )


def _excess(reviewer: Reviewer, namespaces: Sequence[str] | None) -> tuple[list[ExcessRow], _Known, str]:
    """Rows, sorted; whether they are all; and why not."""
    places = sorted({*_ALWAYS_LOOKED_INTO, *(namespaces or ())})
    told = [reviewer.rules(place) for place in places]
    probes = [reviewer.ask(action) for action in _probes(places)]
    found = [*_in_all(told), *(row for row in map(_probed, probes) if row is not None)]
    found += [row for entry in told for row in excess_in_rules(entry.namespace, entry.rules)]
    by_key = {_key(row): row for row in found}
    rows = {k: row for k, row in by_key.items() if not k[1] or (k[0], "", *k[2:]) not in by_key}
    silent = next((answer.cause for answer in probes if answer.allowed is None), "")
    unlisted = next((entry.cause for entry in told if entry.cause), "")
    known: _Known = "unknown" if silent else "partial" if unlisted else "complete"
    return [rows[key] for key in sorted(rows)], known, silent or unlisted


def _probes(places: Sequence[str]) -> list[Action]:
    """Everything in all namespaces; Secrets also in each one that is looked into."""
    return [
        Action(verb, group, resource, place)
        for verb, group, resource in PROBES
        for place in (("", *places) if resource == "secrets" else ("",))
    ]


def _in_all(told: Sequence[RulesAnswer]) -> list[ExcessRow]:
    """What holds in every namespace that was looked into, as rows about all of them."""
    found = [{_key(row): row for row in excess_in_rules("", entry.rules)} for entry in told]
    return [row for key, row in found[0].items() if all(key in other for other in found)] if found else []


def _probed(answer: Answer) -> ExcessRow | None:
    action = answer.action
    finding = excess_of(action.verb, action.group, action.resource) if answer.allowed else None
    if finding is None:
        return None
    return ExcessRow(
        verb=action.verb,
        group=action.group,
        resource=action.resource,
        namespace=action.namespace,
        names=[],
        finding=finding,
    )


def _key(row: ExcessRow) -> tuple[str, str, str, str, str, tuple[str, ...]]:
    return row.finding, row.namespace, row.group, row.resource, row.verb, tuple(row.names)


def _fix(
    missing: Iterable[Needed], namespaces: Sequence[str] | None, account: ServiceAccountName | None
) -> str:
    """Manifests with what is missing alone, under a name of their own: nothing that is granted is replaced."""
    entries = list(missing)
    if not entries:
        return ""
    config_maps = [(e.action.namespace, e.action.name) for e in entries if e.key == CONFIG_MAP]
    kinds = {entry.key for entry in entries}
    manifests = roles(kinds, config_maps, name=MISSING, namespaces=namespaces, account=account)
    return render_manifests(manifests)
