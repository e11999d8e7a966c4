"""One unattended run: collect, audit, store, compare, publish, tell, prune."""
