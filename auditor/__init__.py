"""Audit evidence from the network controls of a Kubernetes cluster."""

__version__ = "0.1.0"
