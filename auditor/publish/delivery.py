"""Delivering over HTTP: tried again when that can help, never redirected, and silent about addresses and secrets."""

import importlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from auditor import __version__
from auditor.model.user_error import UserError

ATTEMPTS = 4
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_CONNECT_TIMEOUT, _READ_TIMEOUT = 10.0, 30.0
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_READ = 64 * 1024

Sleep = Callable[[float], None]


class DeliveryFailed(Exception):
    """It was not taken. The message is one line without address, credentials or content."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to deliver; hidden from every message and representation."""

    url: str = field(repr=False)
    ca_file: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def require_http_client() -> None:
    """Raises UserError when the library isn't installed."""
    try:
        importlib.import_module("urllib3")
    except ImportError:
        raise UserError(
            "webhooks and the Pushgateway need the extra 'publish': pip install 'auditor[publish]'"
        ) from None


def deliver(
    address: Address, content: bytes, content_type: str, sleep: Sleep, *, method: str = "POST"
) -> None:
    """Send it, up to ATTEMPTS times: no answer, 408, 425, 429 and 5xx are tried again, waiting longer each time, as
    long as Retry-After says within bounds. Raises DeliveryFailed."""
    failure = "not sent"
    for attempt in range(ATTEMPTS):
        status, failure, wait = _send(address, content, content_type, method)
        if 200 <= status < 300:
            return
        if status and status not in _TRY_AGAIN:
            raise DeliveryFailed(failure)
        if attempt + 1 < ATTEMPTS:
            sleep(min(wait or _FIRST_WAIT * 2**attempt, _LONGEST_WAIT))
    raise DeliveryFailed(f"{failure}, {ATTEMPTS} times")


def _send(address: Address, content: bytes, content_type: str, method: str) -> tuple[int, str, float]:
    """The status (0 without an answer), what went wrong, and how long the other side asks to wait."""
    import urllib3

    try:
        answer = _pool(address).request(
            method,
            address.url,
            body=content,
            headers={
                "Content-Type": content_type,
                "User-Agent": f"auditor/{__version__}",
                **address.headers,
            },
            timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT, read=_READ_TIMEOUT),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        status = answer.status
        wait = _seconds(answer.headers.get("Retry-After", ""))
        answer.read(_MAX_READ)
        answer.close()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return 0, _told(error), 0.0
    redirected = " (redirects aren't followed)" if 300 <= status < 400 else ""
    return status, f"answered with status {status}{redirected}", wait


def _pool(address: Address) -> Any:
    import urllib3

    parts = urlsplit(address.url)
    context = ssl.create_default_context(cafile=address.ca_file) if parts.scheme == "https" else None
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy, proxy_headers=_proxy_login(proxy), ssl_context=context)
    return urllib3.PoolManager(ssl_context=context)


def _proxy_login(proxy: str) -> Any:
    import urllib3

    parts = urlsplit(proxy)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    return urllib3.make_headers(proxy_basic_auth=login)


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _told(error: Exception) -> str:
    """By kind: the libraries' own messages hold the address."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = getattr(current, "reason", None) or current.__cause__ or current.__context__
        current = current if isinstance(current, BaseException) else None
    names = {type(entry).__name__ for entry in chain}
    if names & {"SSLCertVerificationError", "CertificateError"}:
        return "its certificate isn't trusted"
    for known, told in _CAUSES.items():
        if known in names:
            return told
    return f"no answer ({type(error).__name__})"


_CAUSES = {
    "NameResolutionError": "its name can't be resolved",
    "gaierror": "its name can't be resolved",
    "ConnectTimeoutError": "it can't be reached in time",
    "ReadTimeoutError": "it doesn't answer in time",
    "ConnectionRefusedError": "the connection is refused",
    "SSLError": "no TLS connection comes about",
    "ProxyError": "the proxy doesn't let it through",
    "FileNotFoundError": "the file with its certificate authorities isn't there",
    "LocationParseError": "its address can't be read",
}
