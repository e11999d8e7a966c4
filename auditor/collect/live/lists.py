"""All objects of one resource, page by page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auditor.collect.document import Document
from auditor.collect.live.requests import Requester, RequestFailed
from auditor.collect.objects import FileContent, take_document
from auditor.model.objects import text_at

PAGE = 500
_RESTARTS = 3
_EXPIRED = 410

OnPage = Callable[[str, int, int], None]
"""Told the path, the items so far and the pages so far."""


@dataclass(slots=True)
class Listed:
    """What a list gave: redacted objects, the resourceVersion it was consistent at, and what there is to tell."""

    content: FileContent = field(default_factory=FileContent)
    resource_version: str | None = None
    pages: int = 0
    notes: list[str] = field(default_factory=list)


def list_all(
    requester: Requester, path: str, api_version: str, kind: str, on_page: OnPage | None = None
) -> Listed:
    """Every object at a path. Pages of one list are one consistent state; when it expires (410), the list starts over.

    Raises RequestFailed when a page can't be had; nothing of the list counts then.
    """
    for restart in range(_RESTARTS + 1):
        listed = Listed()
        if restart:
            times = "time" if restart == 1 else "times"
            listed.notes.append(f"the list expired and was started over {restart} {times}")
        try:
            _read_pages(requester, path, (api_version, kind), listed, on_page)
        except RequestFailed as error:
            if error.status != _EXPIRED:
                raise
            continue
        return listed
    raise RequestFailed(_EXPIRED, f"410: the list expired {_RESTARTS + 1} times before it was whole")


def _read_pages(
    requester: Requester, path: str, api: tuple[str, str], listed: Listed, on_page: OnPage | None
) -> None:
    proceed = ""
    seen: set[str] = set()
    while True:
        query = {"limit": str(PAGE), **({"continue": proceed} if proceed else {})}
        page = requester.get_json(path, query)
        listed.pages += 1
        _take_page(page, path, api, listed)
        if on_page is not None:
            on_page(path, len(listed.content.objects), listed.pages)
        proceed = text_at(page, "metadata", "continue") or ""
        if not proceed:
            return
        if proceed in seen:
            raise RequestFailed(0, "the API server gives the same page again and again")
        seen.add(proceed)


def _take_page(page: dict[str, Any], path: str, api: tuple[str, str], listed: Listed) -> None:
    items = page.get("items")
    if items is not None and not isinstance(items, list):
        raise RequestFailed(0, "expected a list of items")
    listed.resource_version = listed.resource_version or text_at(page, "metadata", "resourceVersion")
    version, kind = api
    typed: Mapping[str, Any] = {"apiVersion": version, "kind": f"{kind}List", "items": items}
    take_document(Document(listed.pages, 0, typed), path, listed.content)
