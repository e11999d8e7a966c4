"""Controls and frameworks: YAML text in, a cross-checked catalogue out."""
