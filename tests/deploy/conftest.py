"""helm, kubectl and kubeconform are built with the control plane of the live tests; the bucket is that of the store's."""

from tests.live.conftest import programs
from tests.store.conftest import gateway

__all__ = ["gateway", "programs"]
