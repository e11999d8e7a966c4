"""Mail through a real SMTP server: encryption verified, credentials, refusals, and a server in trouble."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

pytest.importorskip("aiosmtpd", reason="aiosmtpd isn't installed")

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from auditor.model.run_config import SmtpConfig
from auditor.publish.delivery import DeliveryFailed
from auditor.publish.mail import MailServer, send_mail
from tests.publish.conftest import Authority, failing, notification

NOW = datetime(2026, 9, 30, 2, 1, tzinfo=UTC)


class Mailbox:
    """Takes mail, or answers what it is told to."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.encrypted: list[bool] = []
        self.answers: list[str] = []
        self.no_recipient = ""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address == self.no_recipient:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        self.taken.append(envelope)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"


def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=data == LoginPassword(b"auditor", b"right"))


@contextmanager
def serving(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def server(port: int, authority: Authority | None, password: str | None = None, **fields: Any) -> MailServer:
    config = {"host": "127.0.0.1", "port": port, "from": "auditor@example.org", "to": ["ops@example.org"]}
    if password:
        config |= {"username": "auditor", "password_file": "p"}
    ca_file = str(authority.ca_file) if authority else None
    return MailServer(SmtpConfig.model_validate({**config, **fields}), password, ca_file)


def send(to: MailServer, *failures: Any) -> list[float]:
    waits: list[float] = []
    send_mail(to, notification(*failures or [failing("pay/Deployment/api")]), NOW, waits.append)
    return waits


def refused(to: MailServer) -> tuple[str, list[float]]:
    waits: list[float] = []
    with pytest.raises(DeliveryFailed) as raised:
        send_mail(to, notification(failing("pay/Deployment/api")), NOW, waits.append)
    assert "wrong" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value), waits


def starttls(authority: Authority) -> dict[str, Any]:
    return {
        "tls_context": authority.context(),
        "require_starttls": True,
        "authenticator": login,
        "auth_required": True,
    }


def test_mail_goes_over_starttls_with_credentials(authority: Authority) -> None:
    mailbox = Mailbox()
    with serving(mailbox, **starttls(authority)) as port:
        assert send(server(port, authority, "right")) == []
    assert mailbox.encrypted == [True]
    message = message_from_bytes(mailbox.taken[0].original_content or b"", policy=default)
    assert message["Subject"] == "auditor nightly: 1 new failures in prod"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Wed, 30 Sep 2026 02:01:00 +0000"
    assert message.get_content_type() == "text/plain"
    assert "pay/Deployment/api" in message.get_content()


def test_mail_goes_over_tls(authority: Authority) -> None:
    mailbox = Mailbox()
    with serving(mailbox, ssl_context=authority.context()) as port:
        assert send(server(port, authority, security="tls")) == []
    assert len(mailbox.taken) == 1


def test_a_wrong_password_is_told_and_not_repeated(authority: Authority) -> None:
    with serving(Mailbox(), **starttls(authority)) as port:
        assert refused(server(port, authority, "wrong")) == (
            "the server ends the connection during the login",
            [],
        )


def test_a_password_that_smtplib_cannot_send_is_told_and_not_repeated(authority: Authority) -> None:
    with serving(Mailbox(), **starttls(authority)) as port:
        assert refused(server(port, authority, "wröng")) == (
            "the name or the password has other characters than ASCII",
            [],
        )


def test_a_certificate_of_an_unknown_authority_ends_it(authority: Authority) -> None:
    mailbox = Mailbox()
    with serving(mailbox, **starttls(authority)) as port:
        assert refused(server(port, None, "right")) == ("the server's certificate isn't trusted", [])
    assert mailbox.taken == []


def test_without_starttls_nothing_is_sent_in_the_clear(authority: Authority) -> None:
    mailbox = Mailbox()
    with serving(mailbox) as port:
        told, waits = refused(server(port, authority, "right"))
    assert told == "the server doesn't offer what is needed (STARTTLS, or a way to log in)"
    assert (waits, mailbox.taken) == ([], [])


def test_a_server_in_trouble_is_asked_again() -> None:
    mailbox = Mailbox()
    mailbox.answers = ["451 try later", "421 busy"]
    with serving(mailbox) as port:
        assert send(server(port, None, security="none")) == [1.0, 2.0]
    assert len(mailbox.taken) == 1


def test_a_refusal_is_not_repeated() -> None:
    mailbox = Mailbox()
    mailbox.answers = ["554 no"]
    with serving(mailbox) as port:
        assert refused(server(port, None, security="none")) == ("the server answers 554", [])


def test_one_of_two_recipients_is_refused_and_the_other_gets_it() -> None:
    mailbox = Mailbox()
    mailbox.no_recipient = "gone@example.org"
    with serving(mailbox) as port:
        to = ["ops@example.org", "gone@example.org"]
        told, _ = refused(server(port, None, security="none", to=to))
    assert told == "the server refuses 1 of the recipients"
    assert mailbox.taken[0].rcpt_tos == ["ops@example.org"]


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        told, waits = refused(server(taken.getsockname()[1], None, security="none"))
    assert told == "the connection is refused, 4 times"
    assert len(waits) == 3


def test_no_name_from_a_cluster_makes_a_header() -> None:
    mailbox = Mailbox()
    hostile = failing("a/b\r\nBcc: victim@example.org", "x\r\n.\r\nMAIL FROM:<a@b>")
    with serving(mailbox) as port:
        send(server(port, None, security="none"), hostile)
    envelope = mailbox.taken[0]
    message = message_from_bytes(envelope.original_content or b"", policy=default)
    assert message["Bcc"] is None
    assert (len(mailbox.taken), envelope.rcpt_tos) == (1, ["ops@example.org"])
