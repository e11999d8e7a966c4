"""The sentences of every cause that an engine gives, by code."""

from auditor.encryption.reasons import CAUSES
from auditor.evaluate.entry_reasons import ENTRY_REACH_REASONS
from auditor.network.reasons import REASONS

PHRASES: dict[str, str] = {**REASONS, **CAUSES, **ENTRY_REACH_REASONS}
"""Looked up by a parameter's `code` when a finding's sentence is made."""
