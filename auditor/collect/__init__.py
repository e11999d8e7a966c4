"""I/O in: manifests, snapshot folders, bundles, the files that people write."""
