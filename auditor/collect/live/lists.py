"""All objects of one resource, page by page."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from auditor.collect.document import Document
from auditor.collect.live.requests import Requester, RequestFailed
from auditor.collect.objects import FileContent, take_document
from auditor.model.objects import text_at

PAGE = 500
_RESTARTS = 3
_EXPIRED = 410

OnPage = Callable[[str, int, int], None]
"""Told the path, the items so far and the pages so far."""


class Keeper(Protocol):
    """Takes what the pages of one list hold."""

    def take(self, content: FileContent) -> None:
        """The redacted objects of one page, and what was wrong with some."""

    def start_over(self) -> None:
        """The list expired: what was taken doesn't count."""


@dataclass(slots=True)
class Listed:
    """What a list was: the resourceVersion at which it is consistent, items, pages, and what there is to tell."""

    resource_version: str | None = None
    items: int = 0
    pages: int = 0
    notes: list[str] = field(default_factory=list)


def list_all(
    requester: Requester,
    path: str,
    api_version: str,
    kind: str,
    keeper: Keeper,
    on_page: OnPage | None = None,
) -> Listed:
    """Give `keeper` every object at a path. Pages of one list are one consistent state; when it expires (410), the list
    starts over.

    Raises RequestFailed when a page can't be had; nothing of the list counts then.
    """
    for restart in range(_RESTARTS + 1):
        listed = Listed()
        if restart:
            keeper.start_over()
            times = "time" if restart == 1 else "times"
            listed.notes.append(f"the list expired and was started over {restart} {times}")
        try:
            for page in _pages(requester, path, listed):
                keeper.take(_content(page, path, (api_version, kind), listed))
                if on_page is not None:
                    on_page(path, listed.items, listed.pages)
        except RequestFailed as error:
            if error.status != _EXPIRED:
                raise
            continue
        return listed
    raise RequestFailed(_EXPIRED, f"410: the list expired {_RESTARTS + 1} times before it was whole")


def _pages(requester: Requester, path: str, listed: Listed) -> Iterator[dict[str, Any]]:
    proceed = ""
    seen: set[str] = set()
    while True:
        query = {"limit": str(PAGE), **({"continue": proceed} if proceed else {})}
        page = requester.get_json(path, query)
        listed.pages += 1
        proceed = text_at(page, "metadata", "continue") or ""
        yield page
        if not proceed:
            return
        if proceed in seen:
            raise RequestFailed(0, "the API server gives the same page again and again")
        seen.add(proceed)


def _content(page: dict[str, Any], path: str, api: tuple[str, str], listed: Listed) -> FileContent:
    if "items" not in page:
        raise RequestFailed(0, "expected a list: the answer has no items, not even none")
    items = page["items"]
    if items is not None and not isinstance(items, list):
        raise RequestFailed(0, "expected a list of items")
    listed.resource_version = listed.resource_version or text_at(page, "metadata", "resourceVersion")
    version, kind = api
    content = FileContent()
    typed: Mapping[str, Any] = {"apiVersion": version, "kind": f"{kind}List", "items": items}
    take_document(Document(listed.pages, 0, typed), path, content)
    listed.items += len(content.objects)
    return content
