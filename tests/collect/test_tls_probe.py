"""Live handshakes with real TLS servers on the loopback: what they serve is told, not refused, and time is bounded."""

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.collect.tls_probe import Target, served_certificate, shake_hands
from tests.tls_server import DAY, NOW, certificate, listening, server_context, tls


def codes(target: Target, timeout: float = 5.0) -> tuple[list[str], str | None, bool | None]:
    found = shake_hands(target, timeout)
    assert found.error is None
    return [p.code for p in served_certificate(found, NOW).problems], found.protocol, found.trusted


def test_a_self_signed_certificate_is_looked_into_and_not_trusted(tmp_path: Path) -> None:
    with listening(tls(server_context(certificate(tmp_path)))) as target:
        assert codes(target) == ([], "TLSv1.3", False)


def test_an_expired_certificate_is_told(tmp_path: Path) -> None:
    pem = certificate(tmp_path, start=NOW - 400 * DAY, end=NOW - 30 * DAY)
    with listening(tls(server_context(pem))) as target:
        assert codes(target)[0] == ["certificate.expired"]


def test_a_name_that_does_not_fit_is_told(tmp_path: Path) -> None:
    with listening(tls(server_context(certificate(tmp_path, names=("other.example",))))) as target:
        assert codes(target)[0] == ["certificate.host-not-covered"]


def test_a_short_key_is_told_and_not_refused(tmp_path: Path) -> None:
    with listening(tls(server_context(certificate(tmp_path, weak=True)))) as target:
        assert codes(target)[0] == ["certificate.weak-key"]


@pytest.mark.parametrize(
    ("version", "told"), [(ssl.TLSVersion.TLSv1, "TLSv1"), (ssl.TLSVersion.TLSv1_1, "TLSv1.1")]
)
def test_a_server_that_knows_old_versions_only_is_told(
    tmp_path: Path, version: ssl.TLSVersion, told: str
) -> None:
    context = server_context(certificate(tmp_path))
    context.minimum_version = context.maximum_version = version
    with listening(tls(context)) as target:
        problems, protocol, trusted = codes(target)
    assert (problems, protocol) == (["certificate.old-protocol"], told)
    assert trusted is None


def test_a_client_certificate_that_is_required_is_seen_in_tls_1_3(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    context = server_context(pem)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pem)
    with listening(tls(context)) as target:
        found = shake_hands(target)
    assert (found.error, found.asks_for_client) == (None, True)
    assert served_certificate(found, NOW).names == ("localhost",)


def test_without_it_the_host_keeps_silent(tmp_path: Path) -> None:
    with listening(tls(server_context(certificate(tmp_path)))) as target:
        assert shake_hands(target).asks_for_client is None


def test_in_tls_1_2_the_host_refuses_the_handshake_itself(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    context = server_context(pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pem)
    with listening(tls(context)) as target:
        found = shake_hands(target)
    assert found.error is not None
    assert "ALERT" in found.error.upper()


def silent(connection: socket.socket) -> None:
    connection.recv(1)
    time.sleep(3)


def dripping(connection: socket.socket) -> None:
    for _ in range(40):
        connection.sendall(b"\x16")
        time.sleep(0.1)


@pytest.mark.parametrize("answer", [silent, dripping])
def test_a_slow_server_costs_no_more_than_the_time_that_it_is_given(
    answer: Callable[[socket.socket], None],
) -> None:
    with listening(answer) as target:
        found = shake_hands(target, 0.5)
    assert found.error is not None


def test_what_is_no_tls_is_told() -> None:
    def plain(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(plain) as target:
        assert "SSLError" in (shake_hands(target).error or "")


def test_two_thousand_names_are_searched_whole(tmp_path: Path) -> None:
    names = (*(f"h{n}.example" for n in range(2000)), "localhost")
    with listening(tls(server_context(certificate(tmp_path, names=names)))) as target:
        found = served_certificate(shake_hands(target), NOW)
    assert (len(found.names), found.name_count) == (100, 2001)
    assert [p.code for p in found.problems] == ["certificate.names-cut"]
