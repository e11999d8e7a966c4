"""What is in the cluster: objects by kind, label selectors, endpoints, Services, scope classes."""
