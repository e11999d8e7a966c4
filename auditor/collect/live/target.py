"""Which cluster is meant, and the way to it."""

import importlib
from dataclasses import dataclass

from auditor.collect.live.connection import KubernetesConnection
from auditor.model.user_error import UserError


@dataclass(frozen=True, slots=True)
class LiveTarget:
    """A running cluster: a context of a kubeconfig, or the one that this process runs in. `namespaces` None means all."""

    kubeconfig: str | None = None
    context: str | None = None
    in_cluster: bool = False
    namespaces: tuple[str, ...] | None = None


def connect(target: LiveTarget) -> KubernetesConnection:
    """Raises UserError when there is no usable configuration, or the client library isn't installed."""
    require_client()
    return KubernetesConnection(
        kubeconfig=target.kubeconfig, context=target.context, in_cluster=target.in_cluster
    )


def require_client() -> None:
    """Raises UserError when the client library isn't installed."""
    try:
        importlib.import_module("kubernetes.config")
    except ImportError:
        raise UserError(
            "a live cluster needs the extra 'live': pip install 'auditor[live]' "
            "(or give a SOURCE: a folder, a file or a bundle)"
        ) from None
