"""A GET that is tried again when trying again can help, and whose answer is JSON or a cause."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from auditor.collect.live.connection import Connection, ConnectionFailure, Response
from auditor.model.user_error import UserError

JSON = "application/json"
_ATTEMPTS = 5
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_MAX_SILENCES = 3
"""Requests in a row without any answer after which the rest are sent once: the server is gone."""

_Ask = Callable[[], Response]
_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class RequestFailed(Exception):
    """The API server gave no usable answer. `status` is the last HTTP status, 0 when there was none."""

    def __init__(self, status: int, cause: str) -> None:
        super().__init__(cause)
        self.status = status


@dataclass(slots=True)
class Requester:
    """Sends GETs and reviews of oneself, one after another; counts them. `sleep` is given seconds.

    429 and 5xx wait as long as Retry-After says, within bounds; cuts, timeouts and answers that aren't whole JSON are
    asked for again; a 401 renews the credentials once.
    """

    connection: Connection
    sleep: Callable[[float], None]
    attempts: int = _ATTEMPTS
    sent: int = field(default=0, init=False)
    _renewed: bool = field(default=False, init=False)
    _silences: int = field(default=0, init=False)

    def get_json(
        self, path: str, query: Mapping[str, str] | None = None, accept: str = JSON
    ) -> dict[str, Any]:
        """The JSON object at a path. Raises RequestFailed; UserError when the credentials aren't accepted."""
        return self._tried(lambda: self.connection.get(path, query or {}, accept))

    def review(self, resource: str, review: Mapping[str, Any]) -> dict[str, Any]:
        """What the API server answers to a review of oneself. Raises as get_json does."""
        return self._tried(lambda: self.connection.review(resource, review))

    def _tried(self, ask: _Ask) -> dict[str, Any]:
        attempts = 1 if self._silences >= _MAX_SILENCES else self.attempts
        failure = RequestFailed(0, "not asked")
        for attempt in range(attempts):
            if attempt:
                self.sleep(_wait(attempt, failure))
            try:
                value = _json_object(self._send(ask))
                self._silences = 0
                return value
            except RequestFailed as error:
                failure = error
                if error.status not in _TRY_AGAIN | {0}:
                    self._silences = 0
                    raise
        self._silences += failure.status == 0
        times = "once" if attempts == 1 else f"{attempts} times"
        raise RequestFailed(failure.status, f"{failure} (asked {times})") from None

    def _send(self, ask: _Ask) -> Response:
        self.sent += 1
        try:
            response = ask()
        except ConnectionFailure as error:
            raise RequestFailed(0, str(error)) from None
        if response.status == 401:
            return self._send_renewed(ask)
        if response.status >= 300:
            raise _failure(response)
        return response

    def _send_renewed(self, ask: _Ask) -> Response:
        if self._renewed:
            raise UserError("the API server doesn't accept the credentials (401)")
        self._renewed = True
        self.connection.renew()
        response = self._send(ask)
        self._renewed = False
        return response


def _wait(attempt: int, failure: RequestFailed) -> float:
    """Seconds before the next attempt: doubling, at least what the server told, within bounds."""
    told = failure.seconds if isinstance(failure, _ToldToWait) else 0.0
    return min(max(_FIRST_WAIT * 2.0 ** (attempt - 1), told), _LONGEST_WAIT)


class _ToldToWait(RequestFailed):
    """A failure that came with Retry-After."""

    def __init__(self, status: int, cause: str, seconds: float) -> None:
        super().__init__(status, cause)
        self.seconds = seconds


def _failure(response: Response) -> RequestFailed:
    cause = f"{response.status}: {_message(response)}"
    told = response.headers.get("retry-after", "")
    if told.isdigit():
        return _ToldToWait(response.status, cause, float(told))
    return RequestFailed(response.status, cause)


def _message(response: Response) -> str:
    """What the API server's Status object says, else the beginning of the text."""
    try:
        status = orjson.loads(response.body)
        text = status.get("message") or status.get("reason") or ""
    except (ValueError, AttributeError):
        text = response.body[:200].decode("utf-8", "replace")
    return " ".join(str(text).split())[:300] or "no message"


def _json_object(response: Response) -> dict[str, Any]:
    kind = response.headers.get("content-type", "")
    if not kind.startswith(JSON):
        raise RequestFailed(0, f"expected {JSON} (got {kind[:100] or 'no content type'})")
    try:
        value = orjson.loads(response.body)
    except orjson.JSONDecodeError as error:
        raise RequestFailed(0, f"expected whole JSON: {error.msg}") from None
    if not isinstance(value, dict):
        raise RequestFailed(0, "expected a JSON object")
    return value
