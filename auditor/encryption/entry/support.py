"""Releases of controllers that get no more fixes, with the day their support ended, as their projects announce it."""

import re
from dataclasses import dataclass

from auditor.encryption.entry_reasons import cause
from auditor.model.verdict import Cause


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a controller's support: which releases, and the day (`YYYY-MM-DD`)."""

    controller: str
    releases: re.Pattern[str]
    day: str


def _ended(controller: str, releases: str, day: str) -> Ended:
    return Ended(controller, re.compile(rf"{releases}(\D|$)"), day)


ENDED = (
    # kubernetes.io/blog 2025-11-11, Ingress NGINX Retirement: best-effort maintenance until March 2026.
    Ended("ingress-nginx", re.compile(""), "2026-03-31"),
    # doc.traefik.io, deprecation/releases: the end of security support.
    _ended("traefik", r"1\.\d+", "2021-12-31"),
    _ended("traefik", r"2\.(?:[0-9]|10)", "2024-02-12"),
    _ended("traefik", r"2\.11", "2026-02-01"),
    _ended("traefik", r"3\.0", "2024-07-15"),
    _ended("traefik", r"3\.1", "2024-10-28"),
    _ended("traefik", r"3\.2", "2025-01-06"),
)
"""Each entry is for all releases that its pattern matches from the beginning; the last day counts for the older ones."""

_RETIRED = "ingress-nginx"


def notices_of(controller: str | None, versions: tuple[str, ...]) -> tuple[Cause, ...]:
    """What is known of the end of a controller's support: one notice for each release that runs."""
    found = []
    for ended in ENDED:
        if ended.controller != controller:
            continue
        if controller == _RETIRED:
            found.append(cause("entry.nginx.retired"))
        found += [
            cause("entry.support-ended", controller=controller, version=version, day=ended.day)
            for version in versions
            if controller != _RETIRED and ended.releases.match(version)
        ]
    return tuple(dict.fromkeys(found))


def end_of(notice: Cause) -> str | None:
    """The day on which a notice says that support ended; None for a notice about something else."""
    if notice.code == "entry.nginx.retired":
        return next(ended.day for ended in ENDED if ended.controller == _RETIRED)
    return dict(notice.parameters).get("day") if notice.code == "entry.support-ended" else None
