"""helm, kubectl and kubeconform are built with the control plane of the live tests."""

from tests.live.conftest import programs

__all__ = ["programs"]
