"""Collection as the tests call it: in this process, or by the command line."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from auditor.collect.live.collection import LiveCollection, collect_live
from auditor.collect.live.connection import KubernetesConnection
from auditor.model.evidence import Completeness
from auditor.model.kinds import NAMESPACE, KindKey


def collect(
    kubeconfig: Path,
    kinds: Iterable[KindKey] = (NAMESPACE,),
    *,
    read_timeout: float = 20,
    answer_timeout: float = 60,
    context: str | None = None,
    **options: Any,
) -> LiveCollection:
    """What is collected with a kubeconfig."""
    connection = KubernetesConnection(
        kubeconfig=str(kubeconfig),
        context=context,
        read_timeout=read_timeout,
        answer_timeout=answer_timeout,
    )
    return collect_live(
        connection, now=datetime.now(UTC), **{"sleep": time.sleep, "kinds": list(kinds), **options}
    )


def state(found: LiveCollection, key: KindKey = NAMESPACE) -> Completeness:
    """How complete a kind is."""
    return found.snapshot.completeness(key).state


def run_auditor(
    *arguments: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line, without proxies or a kubeconfig from the environment unless given."""
    hidden = ("proxy", "kubeconfig")
    kept = {n: v for n, v in os.environ.items() if not n.lower().endswith(hidden)}
    command = [sys.executable, "-m", "auditor", *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env={**kept, **(environment or {})}, cwd=folder
    )
