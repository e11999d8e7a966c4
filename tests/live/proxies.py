"""What may stand between a client and the API server: a TCP forwarder, a CONNECT proxy, and one that injects faults."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.live.certificates import LONG
from tests.live.cluster import Cluster

Listening = tuple[str, int]


@contextmanager
def forwarding(target: Listening, host: str = "127.0.0.1") -> Iterator[Listening]:
    """A port of `host` whose bytes go to `target` and back."""
    with _accepting(host, lambda client: _join(client, target)) as address:
        yield address


@dataclass
class ConnectProxy:
    """A proxy as companies have it: `asked` are the hosts that clients wanted to reach; without `allows` it says 407."""

    allows: bool = True
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its URL."""
        with _accepting("127.0.0.1", self._serve) as (host, port):
            yield f"http://{host}:{port}"

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (part := client.recv(4096)):
            head += part
        method, target, *_ = head.decode("latin-1").split(" ", 2)
        self.asked.append(target)
        if method != "CONNECT" or not self.allows:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            client.close()
            return
        host, _, port = target.rpartition(":")
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        _join(client, (host, int(port)))


@contextmanager
def _accepting(host: str, serve: Callable[[socket.socket], None]) -> Iterator[Listening]:
    listener = socket.create_server((host, 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_quietly, args=(serve, client), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()
    finally:
        listener.close()


def _quietly(serve: Callable[[socket.socket], None], client: socket.socket) -> None:
    with suppress(OSError, ValueError), client:
        serve(client)


def _join(client: socket.socket, target: Listening) -> None:
    with socket.create_connection(target) as server:
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    content_type: str
    body: bytes


Fault = Callable[["FaultHandler", Answer], None]
"""Answers in the place of the proxy, knowing what the API server said."""


@dataclass
class FaultProxy:
    """Passes requests on to the API server and answers back, but for `faults`: by path, one for each request in turn,
    None for no fault; the path may end in `*`. `certificate_lasts` is how long its certificate is good from the start."""

    cluster: Cluster
    faults: dict[str, list[Fault | None]] = field(default_factory=dict)
    certificate_lasts: timedelta = LONG
    seen: list[str] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def serving(self) -> Iterator["FaultProxy"]:
        """The proxy on a free port."""
        handler = type("Bound", (FaultHandler,), {"proxy": self, "target": self.cluster.port})
        http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        http.daemon_threads = True
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        names = self.cluster.authority.server("fault-proxy", ["127.0.0.1"], self.certificate_lasts)
        context.load_cert_chain(*names)
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        self.url = f"https://127.0.0.1:{http.server_address[1]}"
        try:
            yield self
        finally:
            http.shutdown()
            http.server_close()

    def next_fault(self, path: str) -> Fault | None:
        """The fault for a request."""
        for pattern, waiting in self.faults.items():
            fits = path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
            if fits and waiting:
                return waiting.pop(0)
        return None


class FaultHandler(BaseHTTPRequestHandler):
    """One connection of a client."""

    proxy: FaultProxy
    target: int
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def log_message(self, format: str, *args: object) -> None:
        return

    def handle(self) -> None:
        with suppress(OSError, HTTPException):
            super().handle()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.proxy.seen.append(path)
        fault = self.proxy.next_fault(path)
        answer = self._ask()
        (fault or passed_on)(self, answer)

    do_POST = do_GET

    def _ask(self) -> Answer:
        length = int(self.headers.get("Content-Length", 0))
        context = ssl.create_default_context(cafile=str(self.proxy.cluster.authority.certificate))
        connection = HTTPSConnection("127.0.0.1", self.target, context=context, timeout=60)
        kept = {n: v for n, v in self.headers.items() if n.lower() not in ("host", "connection")}
        connection.request(self.command, self.path, self.rfile.read(length) or None, kept)
        found = connection.getresponse()
        answer = Answer(found.status, found.headers.get("Content-Type", ""), found.read())
        connection.close()
        return answer

    def reply(
        self, status: int, content_type: str, body: bytes, length: int | None = None, **headers: str
    ) -> None:
        """Send an answer, promising `length` bytes."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Reset the connection (RST), as a load balancer that restarts does."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def passed_on(handler: FaultHandler, answer: Answer) -> None:
    """No fault."""
    handler.reply(answer.status, answer.content_type, answer.body)


def late(seconds: float) -> Fault:
    """The answer comes after a while."""

    def fault(handler: FaultHandler, answer: Answer) -> None:
        time.sleep(seconds)
        passed_on(handler, answer)

    return fault


def reset_in_mid_body(handler: FaultHandler, answer: Answer) -> None:
    """Half of the body, then a reset."""
    half = answer.body[: len(answer.body) // 2]
    handler.reply(answer.status, answer.content_type, half, length=len(answer.body))
    handler.cut()


def refused(status: int, message: str, **headers: str) -> Fault:
    """Another answer, as the API server words them."""
    body = f'{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}","code":{status}}}'
    return lambda handler, answer: handler.reply(status, "application/json", body.encode(), **headers)


def truncated(handler: FaultHandler, answer: Answer) -> None:
    """Half of the JSON as if it were all."""
    handler.reply(answer.status, answer.content_type, answer.body[: len(answer.body) // 2])


def web_page(handler: FaultHandler, _: Answer) -> None:
    """A login page."""
    handler.reply(200, "text/html", b"<html>sign in</html>")


def dripping(seconds: float) -> Fault:
    """One byte of the body at a time, for ever: each comes before a read times out."""

    def fault(handler: FaultHandler, answer: Answer) -> None:
        handler.reply(answer.status, answer.content_type, b"", length=len(answer.body))
        for index in range(len(answer.body)):
            handler.wfile.write(answer.body[index : index + 1])
            time.sleep(seconds)

    return fault


def closing(handler: FaultHandler, answer: Answer) -> None:
    """The answer, and then another connection is needed."""
    handler.close_connection = True
    handler.reply(answer.status, answer.content_type, answer.body, Connection="close")


def many(fault: Fault) -> list[Any]:
    """The fault each time."""
    return [fault] * 100
