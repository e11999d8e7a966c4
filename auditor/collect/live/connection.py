"""The way to an API server: the official client's configuration and credentials, plain GETs, and reviews of oneself."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
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

_CONNECT_TIMEOUT, _READ_TIMEOUT = 10.0, 60.0


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: the status, the headers with names in small letters, the body whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ConnectionFailure(Exception):
    """No whole answer came: refused, cut, timed out, not trusted. The message is one line."""


class Connection(Protocol):
    """What collection needs of a cluster."""

    @property
    def cluster_name(self) -> str | None:
        """The name that the user's configuration has for the cluster."""

    @property
    def user(self) -> str | None:
        """Who asks, as the configuration says."""

    def get(self, path: str, query: Mapping[str, str], accept: str) -> Response:
        """One GET, no retries. Raises ConnectionFailure."""

    def review(self, resource: str, review: Mapping[str, Any]) -> Response:
        """Ask what oneself may do: a POST that stores nothing. Raises ConnectionFailure."""

    def renew(self) -> None:
        """Load the credentials anew: a token expired."""


class KubernetesConnection:
    """A connection as kubeconfig or the pod's service account describe it: exec plugins, OIDC, proxies, private CAs.

    `read_timeout` is the longest silence within an answer, in seconds.
    """

    def __init__(
        self,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        in_cluster: bool = False,
        read_timeout: float = _READ_TIMEOUT,
    ) -> None:
        self._kubeconfig, self._context, self._in_cluster = kubeconfig, context, in_cluster
        self._read_timeout = read_timeout
        self._client: Any = None
        self.cluster_name: str | None = None
        self.user: str | None = None
        self.renew()

    def renew(self) -> None:
        """Raises UserError when there is no usable configuration."""
        config: Any = importlib.import_module("kubernetes.config")
        try:
            self._client = (
                self._in_cluster_client(config) if self._in_cluster else self._kubeconfig_client(config)
            )
        except config.ConfigException as error:
            hint = "; name one with --kubeconfig, or give a SOURCE" if self._kubeconfig is None else ""
            told = " ".join(str(error).split()).rstrip(".")
            raise UserError(f"{self._kubeconfig or 'kubeconfig'}: {told}{hint}") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self._kubeconfig or 'kubeconfig'}: can't be used: {error}") from None

    def _kubeconfig_client(self, config: Any) -> Any:
        contexts, active = config.list_kube_config_contexts(config_file=self._kubeconfig)
        chosen = next((c for c in contexts if c["name"] == self._context), None) if self._context else active
        if chosen is None:
            known = ", ".join(sorted(c["name"] for c in contexts)[:10])
            raise UserError(f"--context: expected one of {known} (got {self._context!r})")
        self.cluster_name = chosen["name"]
        self.user = chosen["context"].get("user")
        return config.new_client_from_config(
            config_file=self._kubeconfig, context=chosen["name"], persist_config=False
        )

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

    def _send(self, method: str, path: str, accept: str, body: bytes | None) -> Response:
        import urllib3

        timeout = urllib3.Timeout(connect=_CONNECT_TIMEOUT, read=self._read_timeout)
        try:
            answer = self._client.rest_client.pool_manager.request(
                method,
                self._client.configuration.host + path,
                body=body,
                headers=self._headers(accept, body is not None),
                preload_content=False,
                timeout=timeout,
                retries=False,
                redirect=False,
            )
            return Response(answer.status, _headers(answer.headers), _body(answer))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ConnectionFailure(_one_line(error)) from None

    def _headers(self, accept: str, with_body: bool) -> dict[str, str]:
        sent = {"Content-Type": "application/json"} if with_body else {}
        return {"Accept": accept, "User-Agent": f"auditor/{__version__}", **sent, **self._credentials()}

    def _credentials(self) -> dict[str, str]:
        """The authorization header; asking for it refreshes what the configuration knows how to refresh."""
        settings = self._client.configuration.auth_settings().values()
        return {
            entry["key"]: entry["value"] for entry in settings if entry["in"] == "header" and entry["value"]
        }


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


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]
