"""Webhooks against a real HTTP server: retries, redirects, TLS, and silence about addresses and secrets."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from auditor.model.run_config import NotifyConfig
from auditor.model.user_error import UserError
from auditor.publish import delivery
from auditor.publish.channels import open_channels
from auditor.publish.delivery import Address, DeliveryFailed, deliver
from tests.publish.conftest import Authority, Receiver, failing, notification, receiving

NOW = datetime(2026, 9, 30, 2, 1, tzinfo=UTC)
BODY, KIND = b'{"a": 1}', "application/json"


def send(address: Address) -> list[float]:
    """The waits between the attempts."""
    waits: list[float] = []
    deliver(address, BODY, KIND, waits.append)
    return waits


def refused(address: Address) -> tuple[str, list[float]]:
    waits: list[float] = []
    with pytest.raises(DeliveryFailed) as raised:
        deliver(address, BODY, KIND, waits.append)
    told = str(raised.value)
    assert len(told.splitlines()) == 1
    assert "SECRET" not in told
    assert "127.0.0.1" not in told
    return told, waits


def test_what_is_taken_is_sent_once(receiver: Receiver) -> None:
    assert send(Address(receiver.url, headers={"Authorization": "Bearer t"})) == []
    assert receiver.bodies == [BODY]
    assert receiver.headers[0]["Authorization"] == "Bearer t"
    assert receiver.headers[0]["Content-Type"] == KIND


def test_a_server_in_trouble_is_asked_again_waiting_longer(receiver: Receiver) -> None:
    receiver.answers = [(500, {}), (503, {}), (200, {})]
    assert send(Address(receiver.url)) == [1.0, 2.0]
    assert len(receiver.bodies) == 3


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("86400", 30.0), ("soon", 1.0)])
def test_retry_after_is_obeyed_within_bounds(receiver: Receiver, asked: str, waited: float) -> None:
    receiver.answers = [(429, {"Retry-After": asked}), (200, {})]
    assert send(Address(receiver.url)) == [waited]


def test_it_ends(receiver: Receiver) -> None:
    receiver.answers = [(500, {})]
    told, waits = refused(Address(receiver.url))
    assert told == "answered with status 500, 4 times"
    assert waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_not_repeated(receiver: Receiver, status: int) -> None:
    receiver.answers = [(status, {})]
    assert refused(Address(receiver.url)) == (f"answered with status {status}", [])
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    with receiving() as elsewhere:
        receiver.answers = [(status, {"Location": elsewhere.url})]
        told, _ = refused(Address(receiver.url, headers={"Authorization": "Bearer t"}))
        assert elsewhere.bodies == []
    assert told == f"answered with status {status} (redirects aren't followed)"


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        told, waits = refused(Address(f"http://127.0.0.1:{taken.getsockname()[1]}/SECRET"))
    assert told == "the connection is refused, 4 times"
    assert len(waits) == 3


def test_a_receiver_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_READ_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told, _ = refused(Address(f"http://127.0.0.1:{silent.getsockname()[1]}/SECRET"))
    assert told == "it doesn't answer in time, 4 times"


def test_a_certificate_of_an_unknown_authority_is_not_trusted(authority: Authority) -> None:
    with receiving(authority.context()) as receiver:
        told, _ = refused(Address(receiver.url))
        assert receiver.bodies == []
        assert "certificate isn't trusted" in told
        assert send(Address(receiver.url, str(authority.ca_file))) == []


def test_a_certificate_for_another_name_is_not_trusted(authority: Authority) -> None:
    with receiving(authority.context()) as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        told, _ = refused(Address(url, str(authority.ca_file)))
    assert "certificate isn't trusted" in told


def test_channels_read_their_secrets_from_files(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(receiver.url + "\n")
    (tmp_path / "headers").write_text("Authorization: Bearer abc\nX-Team: platform\n")
    config = NotifyConfig.model_validate(
        {"webhook": {"url_file": "hook", "headers_file": "headers"}, "slack": {"url_file": "hook"}}
    )
    channels = open_channels(config, tmp_path, lambda: NOW, lambda _: None)
    for channel in channels:
        channel.send(notification(failing("pay/Deployment/api")))
    assert [channel.name for channel in channels] == ["webhook", "slack"]
    assert "SECRET" not in repr(channels)
    assert receiver.headers[0]["Authorization"] == "Bearer abc"
    assert json.loads(receiver.bodies[0])["failures"][0]["subject"] == "pay/Deployment/api"
    assert json.loads(receiver.bodies[1])["blocks"][0]["type"] == "header"


BAD_FILES = {
    "no file": (None, None, "hook: can't be read: No such file or directory"),
    "an empty one": ("", None, "hook: expected a line that isn't empty"),
    "no address": ("SECRET words", None, "hook: expected an address as https://host/path"),
    "a header without a colon": ("http://h/x", "SECRET", "headers:1: expected a header as Name: value"),
    "a header with a line break in it": (
        "http://h/x",
        "A: b\rSECRET",
        "headers:2: expected a header as Name: value",
    ),
}


@pytest.mark.parametrize(("hook", "headers", "told"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_secret_is_one_line_that_does_not_show_it(
    tmp_path: Path, hook: str | None, headers: str | None, told: str
) -> None:
    if hook is not None:
        (tmp_path / "hook").write_text(hook)
    webhook = {"url_file": "hook"}
    if headers is not None:
        (tmp_path / "headers").write_bytes(headers.encode())
        webhook["headers_file"] = "headers"
    config = NotifyConfig.model_validate({"webhook": webhook})
    with pytest.raises(UserError) as raised:
        open_channels(config, tmp_path, lambda: NOW, lambda _: None)
    assert str(raised.value).endswith(told)
    assert "SECRET" not in str(raised.value)
