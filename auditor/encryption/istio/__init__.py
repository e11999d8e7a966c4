"""Istio: data plane, PeerAuthentication, authorization and the client's side."""
