"""A GET that is tried again when trying again can help, and whose answer is JSON or a cause."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from auditor.collect.live.connection import Connection, ConnectionFailure, Response
from auditor.collect.live.pace import Pace
from auditor.model.user_error import UserError

JSON = "application/json"
_ATTEMPTS = 5
_ATTEMPTS_AT_FIRST, _ATTEMPTS_WHEN_SILENT, _ATTEMPTS_IN_A_BROKEN_GROUP = 3, 7, 2
"""Without any answer: few before there has been one, as the address may be wrong; later half a minute, in which an API
server restarts. Few also in an API group of which a list has failed with 5xx to the last: its server is down."""

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_MAX_SILENCES = 2
"""Requests in a row without any answer after which the rest are sent once: the server is gone."""

_Ask = Callable[[], Response]
_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class RequestFailed(Exception):
    """The API server gave no usable answer. `status` is the last HTTP status, 0 when there was none."""

    def __init__(self, status: int, cause: str) -> None:
        super().__init__(cause)
        self.status = status


class _Silence(RequestFailed):
    """No whole answer came; `lasting` when another attempt can't change that."""

    def __init__(self, cause: str, lasting: bool) -> None:
        super().__init__(0, cause)
        self.lasting = lasting


class _ToldToWait(RequestFailed):
    """A failure that came with Retry-After."""

    def __init__(self, status: int, cause: str, seconds: float) -> None:
        super().__init__(status, cause)
        self.seconds = seconds


@dataclass(slots=True)
class Requester:
    """Sends GETs and reviews of oneself, one after another and not too fast; counts them. `sleep` is given seconds.

    429 and 5xx wait as long as Retry-After says, within bounds; cuts, timeouts and answers that aren't whole JSON are
    asked for again; a 401 renews the credentials once.
    """

    connection: Connection
    sleep: Callable[[float], None]
    clock: Callable[[], float] = time.monotonic
    sent: int = field(default=0, init=False)
    _pace: Pace = field(init=False)
    _answered: bool = field(default=False, init=False)
    _renewable: bool = field(default=True, init=False)
    _silences: int = field(default=0, init=False)
    _broken: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._pace = Pace(self.clock, self.sleep)

    def get_json(
        self, path: str, query: Mapping[str, str] | None = None, accept: str = JSON
    ) -> dict[str, Any]:
        """The JSON object at a path. Raises RequestFailed; UserError when the credentials aren't accepted from the
        beginning."""
        return self._tried(lambda: self.connection.get(path, query or {}, accept), _group(path))

    def review(self, resource: str, review: Mapping[str, Any]) -> dict[str, Any]:
        """What the API server answers to a review of oneself. Raises as get_json does."""
        return self._tried(lambda: self.connection.review(resource, review), resource)

    def _tried(self, ask: _Ask, group: str) -> dict[str, Any]:
        made = 0
        while True:
            try:
                value = _json_object(self._send(ask))
                self._silences = 0
                self._answered = True
                return value
            except RequestFailed as error:
                made += 1
                if not _worth_another(error):
                    self._silences = 0 if error.status else self._silences + 1
                    raise
                if made >= self._attempts(error, group):
                    self._note_failure(error, group)
                    times = "once" if made == 1 else f"{made} times"
                    raise RequestFailed(error.status, f"{error} (asked {times})") from None
                self.sleep(_wait(made, error))

    def _attempts(self, failure: RequestFailed, group: str) -> int:
        if not self._answered:
            return _ATTEMPTS_AT_FIRST
        if self._silences >= _MAX_SILENCES:
            return 1
        if group in self._broken:
            return _ATTEMPTS_IN_A_BROKEN_GROUP
        return _ATTEMPTS_WHEN_SILENT if isinstance(failure, _Silence) else _ATTEMPTS

    def _note_failure(self, failure: RequestFailed, group: str) -> None:
        self._silences += failure.status == 0
        if failure.status >= 500:
            self._broken.add(group)

    def _send(self, ask: _Ask) -> Response:
        response = self._sent(ask)
        if response.status == 401 and self._renewable:
            response = self._send_renewed(ask)
        if response.status == 401:
            self._renewable = False
            cause = "the API server doesn't accept the credentials (401)"
            raise RequestFailed(401, cause) if self._answered else UserError(cause)
        if response.status >= 300:
            raise _failure(response)
        return response

    def _send_renewed(self, ask: _Ask) -> Response:
        try:
            self.connection.renew()
        except UserError as error:
            self._renewable = False
            if not self._answered:
                raise
            raise RequestFailed(401, f"401, and the credentials can't be renewed: {error}") from None
        return self._sent(ask)

    def _sent(self, ask: _Ask) -> Response:
        self._pace.wait()
        self.sent += 1
        try:
            return ask()
        except ConnectionFailure as error:
            raise _Silence(str(error), error.lasting) from None


def _group(path: str) -> str:
    """The API group and version that a path is in."""
    parts = path.split("/")
    return "/".join(parts[:4] if parts[1] == "apis" else parts[:3])


def _worth_another(failure: RequestFailed) -> bool:
    if isinstance(failure, _Silence):
        return not failure.lasting
    return failure.status in _TRY_AGAIN | {0}


def _wait(attempt: int, failure: RequestFailed) -> float:
    """Seconds before the next attempt: doubling, at least what the server told, within bounds."""
    told = failure.seconds if isinstance(failure, _ToldToWait) else 0.0
    return min(max(_FIRST_WAIT * 2.0 ** (attempt - 1), told), _LONGEST_WAIT)


def _failure(response: Response) -> RequestFailed:
    cause = f"{response.status}: {_message(response)}"
    seconds = _told_seconds(response.headers)
    if seconds is not None:
        return _ToldToWait(response.status, cause, seconds)
    return RequestFailed(response.status, cause)


def _told_seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After: seconds, or a date, which counts from the answer's own (RFC 9110, 10.2.3)."""
    told = headers.get("retry-after", "")
    if told.isdigit():
        return float(told[:9])
    try:
        then, now = parsedate_to_datetime(told), parsedate_to_datetime(headers["date"])
        return max(0.0, (then - now).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


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
