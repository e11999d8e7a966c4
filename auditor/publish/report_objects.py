"""OpenReports objects in the cluster: applied by the server, the ones of earlier runs deleted, no other touched."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from auditor.collect.live.connection import ConnectionFailure, KubernetesConnection, Response
from auditor.collect.live.target import LiveTarget, require_client
from auditor.publish.delivery import ATTEMPTS, DeliveryFailed, Sleep
from auditor.report.open_reports import labels_of

_API = "/apis/openreports.io/v1alpha1"
_PLURALS = {"Report": "reports", "ClusterReport": "clusterreports"}
_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
_APPLY = "application/apply-patch+yaml"
_MANAGER = "auditor"
_TRY_AGAIN = frozenset({0, 408, 429, 500, 502, 503, 504})
_FIRST_WAIT = 1.0
_PAGE = 500


class ReportConnection(KubernetesConnection):
    """A connection that may also write: OpenReports objects, and nothing else."""

    def apply(self, path: str, manifest: Mapping[str, Any]) -> Response:
        """Server-side apply. Raises ConnectionFailure; ValueError for any other path."""
        query = urlencode({"fieldManager": _MANAGER, "force": "true"})
        body = orjson.dumps(manifest)
        return self._send("PATCH", f"{_own(path)}?{query}", "application/json", body, _APPLY)

    def delete(self, path: str, uid: str) -> Response:
        """Delete the object of this uid. Raises ConnectionFailure; ValueError for any other path."""
        body = orjson.dumps(
            {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}},
        )
        return self._send("DELETE", _own(path), "application/json", body)


def _own(path: str) -> str:
    if not path.startswith(f"{_API}/") or not {"reports", "clusterreports"} & set(path.split("/")[:-1]):
        raise ValueError(f"not an OpenReports object: {path}")
    return path


def connect_reports(target: LiveTarget) -> ReportConnection:
    """Raises UserError when there is no usable configuration, or the client library isn't installed."""
    require_client()
    return ReportConnection(
        kubeconfig=target.kubeconfig, context=target.context, in_cluster=target.in_cluster
    )


Remark = Callable[[str], None]


class ReportObjects:
    """The objects of one run in a cluster. `namespaces` None means that Reports are looked for in all of them."""

    def __init__(
        self, connection: ReportConnection, run: str, namespaces: Sequence[str] | None, sleep: Sleep
    ) -> None:
        self._connection, self._run, self._sleep = connection, run, sleep
        self._places = [f"{_API}/namespaces/{name}/reports" for name in namespaces or ()] or [
            f"{_API}/reports"
        ]

    def publish(self, manifests: Iterable[Mapping[str, Any]], remark: Remark) -> None:
        """Apply the manifests, then delete the run's objects that aren't among them. Raises DeliveryFailed.

        An object of such a name that isn't ours stays as it is, and that is told; so are namespaces that are gone.
        """
        ours = dict(self._ours())
        kept = set()
        for manifest in manifests:
            path = path_of(manifest)
            kept.add(path)
            if path in ours or self._is_free(path, remark):
                self._apply(path, manifest, remark)
        for path in sorted(set(ours) - kept):
            self._delete(path, ours[path])

    def _ours(self) -> Iterator[tuple[str, str]]:
        """Path and uid of each object that carries our labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels_of(self._run).items())
        for place in [*self._places, f"{_API}/clusterreports"]:
            query = {"labelSelector": selector, "limit": str(_PAGE)}
            while True:
                body = self._json(place, query, "List")
                for entry in body.get("items") or []:
                    metadata = entry["metadata"]
                    yield _path(place, metadata.get("namespace"), metadata["name"]), metadata["uid"]
                token = body.get("metadata", {}).get("continue")
                if not token:
                    break
                query = {**query, "continue": token}

    def _json(self, path: str, query: Mapping[str, str], kind: str) -> dict[str, Any]:
        answer = self._tried(lambda: self._connection.get(path, query, _METADATA.format(kind)))
        if answer.status == 404:
            raise DeliveryFailed("the cluster doesn't serve openreports.io/v1alpha1: install its CRDs")
        if answer.status != 200:
            raise DeliveryFailed(f"{path}: {_told(answer)}")
        found: dict[str, Any] = orjson.loads(answer.body)
        return found

    def _is_free(self, path: str, remark: Remark) -> bool:
        answer = self._tried(lambda: self._connection.get(path, {}, _METADATA.format("")))
        if answer.status == 404:
            return True
        if answer.status != 200:
            raise DeliveryFailed(f"{path}: {_told(answer)}")
        remark(f"OpenReports: {path} isn't ours and stays as it is")
        return False

    def _apply(self, path: str, manifest: Mapping[str, Any], remark: Remark) -> None:
        answer = self._tried(lambda: self._connection.apply(path, manifest))
        if answer.status == 404:
            remark(f"OpenReports: {path}: the namespace is gone")
        elif not 200 <= answer.status < 300:
            raise DeliveryFailed(f"{path}: {_told(answer)}")

    def _delete(self, path: str, uid: str) -> None:
        answer = self._tried(lambda: self._connection.delete(path, uid))
        if answer.status not in (200, 202, 404, 409):
            raise DeliveryFailed(f"{path}: {_told(answer)}")

    def _tried(self, ask: Callable[[], Response]) -> Response:
        """The answer; no answer, 429 and 5xx are tried again, waiting longer each time."""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(_FIRST_WAIT * 2 ** (attempt - 1))
            try:
                answer = ask()
            except ConnectionFailure as error:
                failure = str(error)
                continue
            if answer.status not in _TRY_AGAIN:
                return answer
            failure = _told(answer)
        raise DeliveryFailed(f"{failure}, {ATTEMPTS} times")


def path_of(manifest: Mapping[str, Any]) -> str:
    """Where the API server has an object."""
    metadata = manifest["metadata"]
    return _path(f"{_API}/{_PLURALS[manifest['kind']]}", metadata.get("namespace"), metadata["name"])


def _path(place: str, namespace: str | None, name: str) -> str:
    plural = place.rsplit("/", 1)[-1]
    inside = f"namespaces/{quote(namespace, safe='')}/" if namespace else ""
    return f"{_API}/{inside}{plural}/{quote(name, safe='')}"


def _told(answer: Response) -> str:
    try:
        message = str(orjson.loads(answer.body)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = ""
    told = " ".join(message.split())[:200]
    return f"status {answer.status}" + (f": {told}" if told else "")
