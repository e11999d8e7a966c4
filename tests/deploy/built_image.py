"""The container image, built by `deploy/image/build.sh`; its layers are kept, so that only what changed is built again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.chart import ROOT
from tests.live.programs import cache_folder

BUILD = ROOT / "deploy" / "image" / "build.sh"
TAG = "localhost/auditor:tests"
NEEDED = ("buildah", "mmdebstrap", "unshare", "setpriv")
_MOST_STORED = 8_000_000_000


@dataclass(frozen=True)
class Image:
    """What `build.sh` printed and wrote, buildah's flags for its storage, and the root filesystem of a container."""

    printed: str
    out: Path
    store: list[str]
    root: Path


class NotBuilt(Exception):
    """The end of what `build.sh` said."""


@contextmanager
def built_image(out: Path) -> Iterator[Image]:
    """Needs root, Linux and NEEDED. Raises NotBuilt."""
    kept = cache_folder().parent / "image"
    store = kept / "store"
    kept.mkdir(parents=True, exist_ok=True)
    if _size(store) > _MOST_STORED:
        shutil.rmtree(store)
    settings = {"STORE": str(store), "CACHE": str(kept), "OUT": str(out), "TAG": TAG}
    done = subprocess.run(
        ["sh", str(BUILD)], check=False, capture_output=True, text=True, env={**os.environ, **settings}
    )
    if done.returncode:
        raise NotBuilt(done.stderr[-4000:])
    flags = ["--root", str(store), "--runroot", f"{store}.run", "--storage-driver", "overlay"]
    container = subprocess.check_output(["buildah", *flags, "from", TAG], text=True).strip()
    try:
        root = subprocess.check_output(["buildah", *flags, "mount", container], text=True).strip()
        yield Image(done.stdout, out, flags, Path(root))
    finally:
        subprocess.run(["buildah", *flags, "rm", container], check=True, capture_output=True)


def _size(folder: Path) -> int:
    if not folder.exists():
        return 0
    return int(subprocess.check_output(["du", "-xsb", str(folder)], text=True).split()[0])
