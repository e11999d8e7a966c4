"""The programs of a real control plane, built once from the Go modules in `controlplane/` and kept outside the tree."""

import os
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "controlplane"


class ProgramsMissing(Exception):
    """They can't be built here; the message says why."""


def cache_folder() -> Path:
    """Where they are kept: in `$AUDITOR_TEST_CACHE`, else in ~/.cache/auditor-tests."""
    root = os.environ.get("AUDITOR_TEST_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "auditor-tests") / "controlplane"


def built_programs() -> Path:
    """The folder with etcd, kube-apiserver, kubectl and the rest, built first where it isn't up to date.

    Several processes may call it at a time: one builds, the others wait. Raises ProgramsMissing.
    """
    if shutil.which("go") is None:
        raise ProgramsMissing("Go isn't installed: the control plane that the live tests run can't be built")
    folder = cache_folder()
    done = subprocess.run(
        ["bash", str(SOURCES / "build.sh"), str(folder)], check=False, text=True, capture_output=True
    )
    if done.returncode:
        raise ProgramsMissing(f"the control plane can't be built: {done.stderr.strip()[-2000:]}")
    return folder
