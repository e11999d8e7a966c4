"""Mail over SMTP with the standard library: STARTTLS or TLS, the server's certificate always verified."""

import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from auditor.model.notification import Notification
from auditor.model.run_config import SmtpConfig
from auditor.publish.delivery import ATTEMPTS, DeliveryFailed, Sleep
from auditor.report.notification import render_mail, subject_line

_TIMEOUT = 30.0
_FIRST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """A server and its password, which nothing shows."""

    config: SmtpConfig
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None


def send_mail(server: MailServer, notification: Notification, time: datetime, sleep: Sleep) -> None:
    """Send it; what is temporary (no connection, 4xx answers) is tried again. Raises DeliveryFailed."""
    message = mail_message(server.config, notification, time)
    for attempt in range(ATTEMPTS):
        try:
            _send(server, message)
            return
        except UnicodeError:  # smtplib logs in with ASCII alone
            raise DeliveryFailed("the name or the password has other characters than ASCII") from None
        except (smtplib.SMTPException, OSError) as error:
            if not _temporary(error):
                raise DeliveryFailed(_told(error)) from None
            told = _told(error)
        if attempt + 1 < ATTEMPTS:
            sleep(_FIRST_WAIT * 2**attempt)
    raise DeliveryFailed(f"{told}, {ATTEMPTS} times")


def mail_message(config: SmtpConfig, notification: Notification, time: datetime) -> EmailMessage:
    """Plain text. Marked as automatic (RFC 3834), so that nothing answers it."""
    message = EmailMessage(policy=SMTP)
    message["From"] = config.sender
    message["To"] = ", ".join(config.to)
    message["Subject"] = subject_line(notification)
    message["Date"] = format_datetime(time)
    domain = config.sender.rpartition("@")[2]
    message["Message-ID"] = f"<{notification.run or notification.name}.{int(time.timestamp())}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(render_mail(notification))
    return message


def _send(server: MailServer, message: EmailMessage) -> None:
    config = server.config
    context = ssl.create_default_context(cafile=server.ca_file)
    place = (config.host, config.connect_port)
    opened = (
        smtplib.SMTP_SSL(*place, local_hostname="[127.0.0.1]", timeout=_TIMEOUT, context=context)
        if config.security == "tls"
        else smtplib.SMTP(*place, local_hostname="[127.0.0.1]", timeout=_TIMEOUT)
    )
    with opened as connection:
        if config.security == "starttls":
            connection.starttls(context=context)
        if config.username is not None and server.password is not None:
            _log_in(connection, config.username, server.password)
        refused = connection.send_message(message)
    if refused:
        raise smtplib.SMTPRecipientsRefused(refused)


class _EndedDuringLogin(smtplib.SMTPException):
    """Some servers end the connection after a password that is wrong."""


def _log_in(connection: smtplib.SMTP, username: str, password: str) -> None:
    try:
        connection.login(username, password)
    except smtplib.SMTPServerDisconnected:
        raise _EndedDuringLogin from None


def _temporary(error: Exception) -> bool:
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500
    permanent = (
        _EndedDuringLogin,
        ssl.SSLError,
        smtplib.SMTPRecipientsRefused,
        smtplib.SMTPNotSupportedError,
        FileNotFoundError,
    )
    return not isinstance(error, permanent)


def _told(error: Exception) -> str:
    """By kind: the server's own words may repeat what it was given."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the server refuses the credentials ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"the server refuses {len(error.recipients)} of the recipients"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server answers {error.smtp_code}"
    if isinstance(error, _EndedDuringLogin):
        return "the server ends the connection during the login"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the server doesn't offer what is needed (STARTTLS, or a way to log in)"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the server's certificate isn't trusted"
    if isinstance(error, ssl.SSLError):
        return "no TLS connection comes about"
    names = {"gaierror": "its name can't be resolved", "ConnectionRefusedError": "the connection is refused"}
    name = type(error).__name__
    return names.get(name, f"no mail could be handed over ({name})")
