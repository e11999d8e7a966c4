"""A small API server over HTTP: discovery, paginated lists, and faults at chosen requests."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Fault = Callable[["Handler"], None]


@dataclass
class Resource:
    """A resource that is served: its kind, and the objects without apiVersion and kind, as lists have them."""

    kind: str
    namespaced: bool = True
    objects: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class ApiServer:
    """Resources by (group, version, plural); `faults` by path: one for each request in turn, None for no fault."""

    resources: dict[tuple[str, str, str], Resource] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, list[Fault | None]] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    aggregated: bool = True
    token: str | None = None
    roles: list[dict[str, Any]] | None = None
    """Manifests whose rules are enforced, as RBAC does; None allows everything."""
    reviews: bool = True
    """Whether one may ask what one may do."""
    every_rule_listed: bool = True
    posted: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    url: str = ""

    def kubeconfig(self, path: Path, token: str = "t0") -> str:  # noqa: S107
        """Write a kubeconfig for this server; JSON is YAML."""
        user = {"name": "jo", "user": {"token": token}}
        cluster = {"name": "c", "cluster": {"server": self.url}}
        context = {"name": "test", "context": {"cluster": "c", "user": "jo"}}
        value = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "users": [user],
            "clusters": [cluster],
        }
        path.write_text(json.dumps({**value, "contexts": [context]}))
        return str(path)

    def allows(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        """Kubernetes RBAC: some rule of a ClusterRole, or of a Role in that namespace, matches all of it."""
        if self.roles is None:
            return True
        return any(
            _matches(rule, "verbs", verb)
            and _matches(rule, "apiGroups", group)
            and _matches(rule, "resources", resource)
            and (not rule.get("resourceNames") or name in rule["resourceNames"])
            for rule in self.rules_in(namespace)
        )

    def rules_in(self, namespace: str) -> list[dict[str, Any]]:
        """The rules that hold in a namespace; `""` is all namespaces, and what lives in none."""
        return [
            rule
            for role in self.roles or ()
            if role["kind"] == "ClusterRole"
            or (role["kind"] == "Role" and namespace and role["metadata"]["namespace"] == namespace)
            for rule in role["rules"]
        ]


def _matches(rule: dict[str, Any], field: str, value: str) -> bool:
    return value in rule[field] or "*" in rule[field]


@contextmanager
def serving(server: ApiServer) -> Iterator[ApiServer]:
    """The server on a free port of 127.0.0.1."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"api": server}))
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection; HTTP/1.1 so that bodies have a length that can be broken."""

    api: ApiServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        api, parts = self.api, urlsplit(self.path)
        api.seen.append(self.path)
        waiting = api.faults.get(parts.path, [])
        fault = waiting.pop(0) if waiting else None
        if fault is not None:
            fault(self)
        elif api.token is not None and self.headers.get("Authorization") != f"Bearer {api.token}":
            self.status(401, "Unauthorized")
        elif (action := action_of(parts.path)) is not None and not api.allows(*action):
            self.status(403, f"{action[2]} is forbidden: cannot {action[0]}")
        else:
            self.answer(parts.path, parse_qs(parts.query))

    def do_POST(self) -> None:
        """Reviews of oneself; anything else that is posted is refused, and recorded."""
        api, review = self.api, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        api.posted.append(self.path)
        if not self.path.startswith("/apis/authorization.k8s.io/v1/selfsubject") or not api.reviews:
            self.status(403, "cannot create")
        elif review["kind"] == "SelfSubjectRulesReview":
            rules = api.rules_in(review["spec"]["namespace"])
            self.json({"status": {"resourceRules": rules, "incomplete": not api.every_rule_listed}})
        else:
            asked = review["spec"]["resourceAttributes"]
            resource = "/".join(asked[f] for f in ("resource", "subresource") if asked.get(f))
            rest = (asked.get("namespace", ""), asked.get("name", ""))
            allowed = api.allows(asked["verb"], asked.get("group", ""), resource, *rest)
            self.json({"status": {"allowed": allowed}})

    def answer(self, path: str, query: dict[str, list[str]]) -> None:
        api = self.api
        if path in ("/api", "/apis"):
            self.json(self.discovery(path))
        elif path in api.objects:
            self.json(api.objects[path])
        elif (found := self.find(path)) is not None:
            self.json(self.page(found, path, query))
        elif not api.aggregated and (resources := self.resources_at(path)):
            self.json({"kind": "APIResourceList", "resources": resources})
        else:
            self.status(404, "the server could not find the requested resource")

    def find(self, path: str) -> Resource | None:
        for (group, version, plural), resource in self.api.resources.items():
            root = f"/apis/{group}/{version}" if group else f"/api/{version}"
            if path == f"{root}/{plural}" or (
                path.startswith(f"{root}/namespaces/") and path.endswith(f"/{plural}")
            ):
                return resource
        return None

    def page(self, resource: Resource, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        namespace = path.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in path else None
        items = [o for o in resource.objects if namespace in (None, o["metadata"].get("namespace"))]
        start, limit = int(query.get("continue", ["0"])[0]), int(query["limit"][0])
        metadata = {"resourceVersion": "4711"}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
        return {
            "apiVersion": "v1",
            "kind": f"{resource.kind}List",
            "metadata": metadata,
            "items": items[start : start + limit],
        }

    def entries(self, group: str, version: str) -> list[dict[str, Any]]:
        return [
            {"resource": plural, "name": plural, "verbs": ["get", "list"]}
            for (g, v, plural) in self.api.resources
            if (g, v) == (group, version)
        ]

    def resources_at(self, path: str) -> list[dict[str, Any]]:
        parts = path.strip("/").split("/")
        return self.entries(parts[1], parts[2]) if len(parts) == 3 else self.entries("", parts[-1])

    def discovery(self, path: str) -> dict[str, Any]:
        groups = sorted({(g, v) for g, v, _ in self.api.resources} | {(g, "v1") for g in self.api.stale})
        mine = [(g, v) for g, v in groups if bool(g) == (path == "/apis")]
        if not self.api.aggregated:
            if path == "/api":
                return {"kind": "APIVersions", "versions": [v for _, v in mine]}
            return {
                "kind": "APIGroupList",
                "groups": [{"name": g, "versions": [{"version": v}]} for g, v in mine],
            }
        items = [
            {
                "metadata": {"name": g},
                "versions": [
                    {
                        "version": v,
                        "freshness": "Stale" if g in self.api.stale else "Current",
                        "resources": self.entries(g, v),
                    }
                ],
            }
            for g, v in mine
        ]
        return {"kind": "APIGroupDiscoveryList", "items": items}

    def json(self, value: Any) -> None:
        self.body(200, json.dumps(value).encode())

    def status(self, code: int, message: str, **headers: str) -> None:
        self.body(code, json.dumps({"kind": "Status", "message": message}).encode(), **headers)

    def body(
        self,
        code: int,
        data: bytes,
        content_type: str = "application/json",
        length: int | None = None,
        **headers: str,
    ) -> None:
        self.send_response_only(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)
        if length is not None and length != len(data):
            self.close_connection = True


def action_of(path: str) -> tuple[str, str, str, str, str] | None:
    """Verb, group, resource, namespace and name of a GET; None for discovery, which everyone may read."""
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1] if len(parts) > 1 else "", parts[3:])
    if not rest:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace, rest = rest[1], rest[2:] or ["namespaces", rest[1]]
    name = rest[1] if len(rest) > 1 else ""
    return "get" if name else "list", group, rest[0], namespace, name


def status(code: int, message: str = "no", **headers: str) -> Fault:
    """Answer with a Status."""
    return lambda handler: handler.status(code, message, **headers)


def cut_in_the_middle(handler: Handler) -> None:
    """Promise more bytes than come."""
    handler.body(200, b'{"items": [', length=1000)


def truncated_json(handler: Handler) -> None:
    """A whole answer that isn't whole JSON."""
    handler.body(200, b'{"items": [')


def web_page(handler: Handler) -> None:
    """What a login page in between answers."""
    handler.body(200, b"<html>sign in</html>", content_type="text/html")


def reset(handler: Handler) -> None:
    """Close without a word."""
    handler.close_connection = True
    handler.connection.close()


def slow(release: threading.Event) -> Fault:
    """Say nothing until released."""

    def wait(handler: Handler) -> None:
        release.wait(20)
        reset(handler)

    return wait
