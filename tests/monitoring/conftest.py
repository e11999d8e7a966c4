"""The real Prometheus, promtool and Pushgateway, on loopback."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_CACHE = Path(os.environ.get("AUDITOR_TEST_CACHE") or Path.home() / ".cache" / "auditor-tests")


def program(name: str) -> Path:
    """On PATH, or where `requirements/system.sh test` puts it; skips where it is in neither."""
    found = shutil.which(name)
    kept = _CACHE / "prometheus" / "usr" / "bin" / name
    if found is None and not kept.is_file():
        pytest.skip(f"{name} isn't installed: requirements/monitoring.sh takes it from Debian's packages")
    return Path(found) if found else kept


@pytest.fixture(scope="session")
def promtool() -> Callable[..., subprocess.CompletedProcess[str]]:
    found = program("promtool")

    def run(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[str]:
        done = subprocess.run([found, *arguments], input=given, capture_output=True, check=False, timeout=60)
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(command: list[str | Path], ready: str, log: Path) -> Iterator[None]:
    """A server, until `ready` answers; stopped at the end."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        for _ in range(300):
            assert process.poll() is None, log.read_text()
            if _answers(ready):
                break
            time.sleep(0.1)
        else:
            raise AssertionError(f"{ready} doesn't answer: {log.read_text()}")
        yield
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- loopback
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="session")
def pushgateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    found = program("prometheus-pushgateway")
    address = f"127.0.0.1:{free_port()}"
    command: list[str | Path] = [found, f"--web.listen-address={address}"]
    log = tmp_path_factory.mktemp("pushgateway") / "log"
    with running(command, f"http://{address}/-/ready", log):
        yield f"http://{address}"


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus that scrapes the Pushgateway every second."""

    url: str

    def query(self, expression: str) -> Any:
        """The result of an instant query; fails on any error."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=10) as answer:  # noqa: S310
            body = json.load(answer)
        assert body["status"] == "success", body
        return body["data"]["result"]

    def until(self, expression: str) -> Any:
        """The result, once there is one."""
        for _ in range(200):
            found = self.query(expression)
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"no result: {expression}")


@pytest.fixture(scope="session")
def prometheus(pushgateway: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    found = program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_port()}"
    gateway = pushgateway.removeprefix("http://")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: ['{ROOT}/deploy/monitoring/auditor-alerts.yaml']\n"
        "scrape_configs:\n"
        "  - job_name: pushgateway\n"
        "    honor_labels: true\n"
        f"    static_configs: [{{targets: ['{gateway}']}}]\n"
    )
    command: list[str | Path] = [
        found,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with running(command, f"http://{address}/-/ready", folder / "log"):
        yield Prometheus(f"http://{address}")
