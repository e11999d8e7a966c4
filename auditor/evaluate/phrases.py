"""The sentences of every cause that an engine gives, by code."""

from auditor.encryption.reasons import CAUSES
from auditor.network.reasons import REASONS

PHRASES: dict[str, str] = {**REASONS, **CAUSES}
"""Looked up by a parameter's `code` when a finding's sentence is made."""
