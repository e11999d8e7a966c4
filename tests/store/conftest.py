"""Shelves to store runs on: a folder, and a bucket of a real S3 gateway started for the tests."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("AUDITOR_TEST_CACHE", Path.home() / ".cache" / "auditor-tests"))
KEY, SECRET = "auditor-tests", "only-for-tests-0123456789"
GATEWAY = CACHE / "versitygw-v1.8.0" / "versitygw"


@dataclass(frozen=True)
class Gateway:
    """A running S3 gateway: its address, and the folder whose subfolders are its buckets."""

    url: str
    root: Path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def gateway_program() -> Path:
    """The gateway, built once into the cache. Skips where Go isn't there."""
    if not GATEWAY.is_file():
        if shutil.which("go") is None:
            pytest.skip("a real S3 gateway is needed, and Go to build it: not installed")
        script = Path(__file__).with_name("versitygw.sh")
        done = subprocess.run(
            ["sh", script, CACHE], capture_output=True, text=True, check=False, timeout=1500
        )
        if done.returncode:
            pytest.skip(f"the S3 gateway can't be built: {done.stderr.splitlines()[-1:]}")
    return GATEWAY


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """versitygw over a folder, stopped at the end."""
    root, sidecar = tmp_path_factory.mktemp("buckets"), tmp_path_factory.mktemp("metadata")
    address = f"127.0.0.1:{_free_port()}"
    command = [gateway_program(), "--port", address, "--access", KEY, "--secret", SECRET, "--quiet"]
    process = subprocess.Popen(
        [*command, "posix", "--sidecar", sidecar, root], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://{address}/", process)
        yield Gateway(f"http://{address}", root)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "the S3 gateway ended"
        try:
            urllib.request.urlopen(url, timeout=2)  # noqa: S310 -- loopback
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the S3 gateway doesn't answer")


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an unattended run gets them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
