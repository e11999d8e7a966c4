"""Makes the sample clusters: a small imitation of what the API server, controllers and kubelets add to manifests."""
