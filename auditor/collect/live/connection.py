"""The way to an API server: the official client's configuration and credentials, plain GETs, and reviews of oneself."""

import importlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Protocol
from urllib.parse import urlencode

from auditor import __version__
from auditor.model.user_error import UserError

MAX_RESPONSE = 512 * 1024 * 1024
_CHUNK = 1024 * 1024
_REVIEWS = {
    name: f"/apis/authorization.k8s.io/v1/{name}"
    for name in ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
}
"""The only things that are ever posted: questions about oneself, which nothing stores."""

_CONNECT_TIMEOUT, _READ_TIMEOUT, _ANSWER_TIMEOUT = 10.0, 60.0, 180.0


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: the status, the headers with names in small letters, the body whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ConnectionFailure(Exception):
    """No whole answer came: refused, cut, timed out, not trusted. The message is one line.

    `lasting` when asking again can't help.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class Connection(Protocol):
    """What collection needs of a cluster."""

    @property
    def cluster_name(self) -> str | None:
        """The name that the user's configuration has for the cluster."""

    @property
    def user(self) -> str | None:
        """Who asks, as the configuration says."""

    @property
    def verified(self) -> bool:
        """Whether it is known who answers: the server's certificate is checked, or the server is this machine."""

    def get(self, path: str, query: Mapping[str, str], accept: str) -> Response:
        """One GET, no retries. Raises ConnectionFailure."""

    def review(self, resource: str, review: Mapping[str, Any]) -> Response:
        """Ask what oneself may do: a POST that stores nothing. Raises ConnectionFailure."""

    def renew(self) -> None:
        """Load the credentials anew: a token expired."""


class KubernetesConnection:
    """A connection as kubeconfig or the pod's service account describe it: exec plugins, OIDC, proxies, private CAs.

    `read_timeout` is the longest silence within an answer, `answer_timeout` the longest that a whole answer may take,
    in seconds.
    """

    def __init__(
        self,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        in_cluster: bool = False,
        read_timeout: float = _READ_TIMEOUT,
        answer_timeout: float = _ANSWER_TIMEOUT,
    ) -> None:
        self._kubeconfig, self._context, self._in_cluster = kubeconfig, context, in_cluster
        self._read_timeout, self._answer_timeout = read_timeout, answer_timeout
        self._client: Any = None
        self.cluster_name: str | None = None
        self.user: str | None = None
        self.renew()

    @property
    def verified(self) -> bool:
        """Whether it is known who answers."""
        host = self._client.configuration.host
        if host.startswith("https://"):
            return bool(self._client.configuration.verify_ssl)
        return _LOOPBACK.match(host) is not None

    def renew(self) -> None:
        """Raises UserError when there is no usable configuration."""
        config: Any = importlib.import_module("kubernetes.config")
        name = "the pod's service account" if self._in_cluster else self._kubeconfig or "kubeconfig"
        try:
            self._client = (
                self._in_cluster_client(config) if self._in_cluster else self._kubeconfig_client(config)
            )
            if not self.verified:
                _without_warnings()
        except UserError:
            raise
        except config.ConfigException as error:
            hint = (
                ""
                if self._in_cluster or self._kubeconfig
                else "; name one with --kubeconfig, or give a SOURCE"
            )
            raise UserError(f"{name}: {_one_line(error).rstrip('.')}{hint}") from None
        except Exception as error:  # what issuers, proxies and plugins make of it has no common type
            raise UserError(f"{name}: can't be used: {_one_line(error)}") from None

    def _kubeconfig_client(self, config: Any) -> Any:
        contexts, active = config.list_kube_config_contexts(config_file=self._kubeconfig)
        chosen = next((c for c in contexts if c["name"] == self._context), None) if self._context else active
        if chosen is None:
            known = ", ".join(sorted(c["name"] for c in contexts)[:10])
            raise UserError(f"--context: expected one of {known} (got {self._context!r})")
        self.cluster_name = chosen["name"]
        self.user = chosen["context"].get("user")
        with _root_log() as told:
            client = config.new_client_from_config(
                config_file=self._kubeconfig, context=chosen["name"], persist_config=False
            )
        settings = client.configuration
        if told and not settings.auth_settings() and not settings.cert_file:
            # The client only logs why a credential plugin failed, and goes on as nobody.
            raise UserError(f"no credentials for user {self.user!r}: {_one_line(told[0])}")
        return client

    def _in_cluster_client(self, config: Any) -> Any:
        client: Any = importlib.import_module("kubernetes.client")
        configuration = client.Configuration()
        config.load_incluster_config(client_configuration=configuration)
        self.user = "the pod's service account"
        return client.ApiClient(configuration)

    def get(self, path: str, query: Mapping[str, str], accept: str) -> Response:
        """One GET without redirects. Raises ConnectionFailure."""
        return self._send("GET", path + (f"?{urlencode(query)}" if query else ""), accept, None)

    def review(self, resource: str, review: Mapping[str, Any]) -> Response:
        """One POST of a `SelfSubject...Review`. Raises ConnectionFailure; KeyError for any other resource."""
        path = _REVIEWS[resource]
        return self._send("POST", path, "application/json", json.dumps(review).encode())

    def _send(
        self, method: str, path: str, accept: str, body: bytes | None, content_type: str = "application/json"
    ) -> Response:
        headers = self._headers(accept, content_type if body is not None else None)
        client = self._client
        return _within(self._answer_timeout, lambda: self._exchange(client, method, path, headers, body))

    def _exchange(
        self, client: Any, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> Response:
        import urllib3

        try:
            answer = client.rest_client.pool_manager.request(
                method,
                client.configuration.host + path,
                body=body,
                headers=headers,
                preload_content=False,
                timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT, read=self._read_timeout),
                retries=False,
                redirect=False,
            )
            return Response(answer.status, _headers(answer.headers), _body(answer))
        except urllib3.exceptions.SSLError as error:
            lasting = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise ConnectionFailure(_one_line(error), lasting=lasting) from None
        except urllib3.exceptions.ProxyError as error:
            raise ConnectionFailure(f"{_one_line(error)}: {_one_line(error.original_error)}") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ConnectionFailure(_one_line(error)) from None

    def _headers(self, accept: str, content_type: str | None) -> dict[str, str]:
        sent = {"Content-Type": content_type} if content_type else {}
        return {"Accept": accept, "User-Agent": f"auditor/{__version__}", **sent, **self._credentials()}

    def _credentials(self) -> dict[str, str]:
        """The authorization header; asking for it refreshes what the configuration knows how to refresh."""
        try:
            settings = self._client.configuration.auth_settings().values()
        except Exception as error:
            raise ConnectionFailure(f"the credentials can't be renewed: {_one_line(error)}") from None
        return {
            entry["key"]: entry["value"] for entry in settings if entry["in"] == "header" and entry["value"]
        }


_LOOPBACK = re.compile(r"http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:|/|$)")
_ADDRESS = re.compile(r"<?[\w.]+ object at 0x[0-9a-f]+>?(: )?|[\w.]+\(host=[^)]*\): ")
"""What urllib3 puts before its messages: objects by their address, which changes from run to run."""


def _within(seconds: float, exchange: Callable[[], Response]) -> Response:
    """The answer, if it is there in time. A server that drips bytes keeps each single read from timing out."""
    box: SimpleQueue[Response | BaseException] = SimpleQueue()

    def work() -> None:
        try:
            box.put(exchange())
        except BaseException as error:
            box.put(error)

    Thread(target=work, daemon=True, name="request").start()
    try:
        found = box.get(timeout=seconds)
    except Empty:
        raise ConnectionFailure(f"no whole answer within {seconds:g} s") from None
    if isinstance(found, BaseException):
        raise found
    return found


@contextmanager
def _root_log() -> Iterator[list[str]]:
    """Catches what the client library logs, which would go to standard error otherwise."""
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        yield told
    finally:
        logging.getLogger().removeHandler(handler)


def _without_warnings() -> None:
    """urllib3 would warn on standard error at each request; that the server isn't verified is told once, and recorded."""
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def _headers(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _body(answer: Any) -> bytes:
    parts, size = [], 0
    try:
        while part := answer.read(_CHUNK, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > MAX_RESPONSE:
                raise ConnectionFailure(f"an answer of more than {MAX_RESPONSE // 1024 // 1024} MiB")
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return b"".join(parts)


def _one_line(error: Exception | str) -> str:
    first = error.args[0] if isinstance(error, Exception) and error.args else error
    text = _ADDRESS.sub("", " ".join((first if isinstance(first, str) else str(error)).split()))
    return text[:300] or type(error).__name__
