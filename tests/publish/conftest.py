"""A certificate authority of the tests' own, a receiver of webhooks with faults to choose, and a mail server."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from auditor.model.comparison import ComparedRun, Comparison, FindingChange
from auditor.model.notification import Notification
from auditor.model.outcome import Outcome
from auditor.model.run_record import IncompleteKind, RunRecord
from auditor.report.notification import notification_of_run
from tests.live import certificates


@dataclass(frozen=True)
class Authority:
    """The files of a CA's certificate, and of certificate and key for 127.0.0.1."""

    ca_file: Path
    certificate_file: Path
    key_file: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    signing = certificates.Authority(tmp_path_factory.mktemp("authority"))
    return Authority(signing.certificate, *signing.server("receiver", ["127.0.0.1"]))


@dataclass
class Receiver:
    """What came in, and the answers to give: a status with headers, the last one for ever."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(200, {})])
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/services/T0/SECRET-PATH"


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver(scheme="https" if context else "http")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            receiver.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            receiver.headers.append(dict(self.headers.items()))
            receiver.methods.append(self.command)
            status, headers = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_GET = do_POST

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def failing(subject: str, message: str = "It fails.", control: str = "default-deny-ingress") -> FindingChange:
    return FindingChange(
        control=control,
        title="Default deny",
        severity="high",
        check=control,
        subject=subject,
        namespace=subject.partition("/")[0],
        before=None,
        now=Outcome.FAIL,
        reason="not-isolated",
        message=message,
    )


def comparison(*failures: FindingChange) -> Comparison:
    new = ComparedRun(
        name="20260930T020000Z-nightly",
        evaluated_at="2026-09-30T02:00:00Z",
        collected_at=None,
        complete=True,
        failures=len(failures),
    )
    return Comparison(
        old=None, new=new, notes=[], new_failures=list(failures), resolved=[], untold=[], changed=[]
    )


def record(
    new_failures: int, incomplete: list[IncompleteKind] | None = None, cluster: str = "prod"
) -> RunRecord:
    return RunRecord(
        version="1",
        run="20260930T020000Z-nightly",
        name="nightly",
        started_at="2026-09-30T02:00:00Z",
        finished_at="2026-09-30T02:01:00Z",
        cluster=cluster,
        cluster_uid="u-1",
        frameworks=["hipaa"],
        scope_sha256=None,
        complete=not incomplete,
        incomplete_kinds=incomplete or [],
        outcomes={Outcome.FAIL: new_failures, Outcome.PASS: 3},
        exit_code=0,
        compared_with=None,
        new_failures=new_failures,
        resolved=0,
        untold=0,
        files=[],
    )


def notification(
    *failures: FindingChange, incomplete: list[IncompleteKind] | None = None, cluster: str = "prod"
) -> Notification:
    found = notification_of_run(
        record(len(failures), incomplete, cluster),
        comparison(*failures),
        ["new-failures", "incomplete"],
        "s3://evidence/one/20260930T020000Z-nightly",
    )
    assert found is not None
    return found
