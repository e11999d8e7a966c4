"""Linkerd: data plane, inbound policy and the client's side."""
