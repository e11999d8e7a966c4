"""Collection from a running cluster: GET only, paginated, with the cause of everything that could not be read."""
