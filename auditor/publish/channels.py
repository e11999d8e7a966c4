"""The ways by which people are told, as the configuration names them; secrets come from files and go nowhere else."""

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from auditor.model.notification import Notification
from auditor.model.run_config import HiddenAddress, NotifyConfig, is_web_address
from auditor.model.user_error import UserError
from auditor.publish.delivery import Address, Sleep, deliver, require_http_client
from auditor.publish.mail import MailServer, send_mail
from auditor.report.notification import render_slack, render_webhook

_JSON = "application/json"
_MAX_SECRET = 64 * 1024
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to tell. `send` raises DeliveryFailed."""

    name: str
    send: Callable[[Notification], None] = field(repr=False)


def open_channels(
    config: NotifyConfig, folder: Path, now: Callable[[], datetime], sleep: Sleep
) -> list[Channel]:
    """Every channel, with its secrets read. Raises UserError when a file isn't there or isn't what it should be."""
    found = []
    if config.webhook is not None:
        hook = open_address(config.webhook, folder, "notify.webhook")
        if config.webhook.headers_file is not None:
            headers = _headers(folder / config.webhook.headers_file)
            hook = Address(hook.url, hook.ca_file, headers)
        found.append(Channel("webhook", lambda n: deliver(hook, render_webhook(n), _JSON, sleep)))
    if config.slack is not None:
        slack = open_address(config.slack, folder, "notify.slack")
        found.append(Channel("slack", lambda n: deliver(slack, render_slack(n), _JSON, sleep)))
    if config.smtp is not None:
        password = read_secret(folder / config.smtp.password_file) if config.smtp.password_file else None
        server = MailServer(config.smtp, password, _path(folder, config.smtp.ca_file))
        found.append(Channel("smtp", lambda n: send_mail(server, n, now(), sleep)))
    return found


def open_address(config: HiddenAddress, folder: Path, place: str) -> Address:
    """The address, from the configuration or from its file. Raises UserError, which doesn't show it."""
    require_http_client()
    url = config.url
    if config.url_file is not None:
        url = read_secret(folder / config.url_file)
        if not is_web_address(url):
            raise UserError(
                f"{place}.url_file: {folder / config.url_file}: expected an address as https://host/path"
            )
    return Address(url or "", _path(folder, config.ca_file))


def _path(folder: Path, name: str | None) -> str | None:
    if name is None:
        return None
    path = folder / name
    return trusted_file(path)


def trusted_file(path: Path) -> str:
    """The path of certificates to trust. Raises UserError when it isn't there or holds none that can be read."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError as error:
        told = error.strerror if type(error) is PermissionError else "expected certificates in PEM"
        raise UserError(f"{path}: {told}") from None
    return str(path)


def read_secret(path: Path) -> str:
    """A file's one line. Raises UserError, which doesn't show it."""
    try:
        text = path.read_bytes()[: _MAX_SECRET + 1].decode().strip()
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: expected UTF-8") from None
    if not text or len(text) > _MAX_SECRET:
        raise UserError(f"{path}: expected a line that isn't empty")
    return text


def _headers(path: Path) -> Mapping[str, str]:
    found = {}
    for number, line in enumerate(read_secret(path).splitlines(), 1):
        name, colon, value = line.partition(":")
        if (
            not colon
            or not _HEADER_NAME.fullmatch(name)
            or not (value.isascii() and value.strip().isprintable())
        ):
            raise UserError(f"{path}:{number}: expected a header as Name: value")
        found[name] = value.strip()
    return found
