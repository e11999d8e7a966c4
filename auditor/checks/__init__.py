"""Checks: one pure function in one module each, named for the compliant state, discovered by package walk."""
