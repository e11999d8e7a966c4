"""A bucket of any S3-compatible service as the place of runs. Credentials come from the environment (AWS_*)."""

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from auditor.model.run_config import StoreConfig
from auditor.model.run_record import RECORD, STARTED
from auditor.model.user_error import UserError
from auditor.store.shelf import MAX_READ, ShelfError

T = TypeVar("T")
_CONNECT_TIMEOUT, _READ_TIMEOUT, _ATTEMPTS = 10, 60, 5


def open_bucket(config: StoreConfig) -> "Bucket":
    """Raises UserError when the library isn't installed."""
    try:
        s3fs: Any = importlib.import_module("s3fs")
    except ImportError:
        raise UserError("store: s3:// needs the extra 'bucket': pip install 'auditor[bucket]'") from None
    client: dict[str, Any] = {"endpoint_url": config.endpoint_url, "region_name": config.region}
    if config.ca_file:
        client["verify"] = config.ca_file
    files = s3fs.S3FileSystem(
        client_kwargs={key: value for key, value in client.items() if value is not None},
        config_kwargs={
            "connect_timeout": _CONNECT_TIMEOUT,
            "read_timeout": _READ_TIMEOUT,
            "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
        },
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    return Bucket(files, config.url.removeprefix("s3://").strip("/"))


class Bucket:
    """A prefix of a bucket. A run is whole once its record, which is written last, is there."""

    def __init__(self, files: Any, prefix: str) -> None:
        self._files, self._prefix = files, prefix

    def check(self) -> None:
        """A small object is written and deleted again."""
        path = f"{self._prefix}/.auditor-check"
        try:
            self._do(lambda: self._files.pipe_file(path, b"auditor"))
            self._do(lambda: self._files.rm_file(path))
        except FileNotFoundError:
            raise ShelfError(f"s3://{self._prefix}: there is no such bucket") from None

    def runs(self) -> list[str]:
        """The names of the first level of folders."""
        try:
            entries = self._do(lambda: self._files.ls(self._prefix, detail=True, refresh=True))
        except FileNotFoundError:
            return []
        return sorted(entry["name"].rsplit("/", 1)[-1] for entry in entries if entry["type"] == "directory")

    def has_record(self, run: str) -> bool:
        """Whether the run is whole."""
        return bool(self._do(lambda: self._files.exists(self._path(run, RECORD))))

    def read(self, run: str, file: str) -> bytes:
        """Raises FileNotFoundError, ShelfError."""
        path = self._path(run, file)
        size = int(self._do(lambda: self._files.info(path))["size"])
        if size > MAX_READ:
            raise ShelfError(f"{run}/{file}: larger than {MAX_READ // 1024 // 1024} MiB")
        content: bytes = self._do(lambda: self._files.cat_file(path))
        return content

    def put(self, run: str, folder: Path) -> None:
        """What tells whose it is first, the record last; a size that differs is an error before the record is there."""
        if self.has_record(run) or self._do(lambda: self._files.exists(self._path(run, STARTED))):
            raise ShelfError(f"s3://{self._prefix}/{run}: there is a run of this name already")
        order = {STARTED: 0, RECORD: 2}
        for path in sorted(folder.iterdir(), key=lambda path: (order.get(path.name, 1), path.name)):
            target = self._path(run, path.name)
            self._do(lambda path=path, target=target: self._files.put_file(str(path), target))  # type: ignore[misc]
            stored = self._do(lambda target=target: self._files.info(target))["size"]  # type: ignore[misc]
            if int(stored) != path.stat().st_size:
                raise ShelfError(f"s3://{target}: stored with {stored} bytes, not {path.stat().st_size}")

    def add(self, run: str, file: str, content: bytes) -> None:
        """One object."""
        target = self._path(run, file)
        self._do(lambda: self._files.pipe_file(target, content))

    def delete(self, run: str, files: Iterable[str]) -> None:
        """One object after the other: the record goes first."""
        for name in files:
            path = self._path(run, name)
            if self._do(lambda path=path: self._files.exists(path)):  # type: ignore[misc]
                self._do(lambda path=path: self._files.rm_file(path))  # type: ignore[misc]

    def _path(self, run: str, file: str) -> str:
        return f"{self._prefix}/{run}/{file}"

    def _do(self, call: Callable[[], T]) -> T:
        """Errors of the client as one line; they name no credentials."""
        try:
            return call()
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ShelfError(f"s3://{self._prefix}: {_told(error)}") from None


def _told(error: Exception) -> str:
    known = {
        "NoCredentialsError": "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a web identity",
        "EndpointConnectionError": "the endpoint can't be reached",
        "ConnectTimeoutError": "the endpoint doesn't answer",
        "PermissionError": "access is refused",
    }
    name = type(error).__name__
    return known.get(name) or " ".join(str(error).split())[:300] or name
