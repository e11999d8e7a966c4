"""The closed list of causes behind encryption verdicts: code to English sentence with `{parameter}` places.

Codes of verdicts that cannot be told start with `indeterminate.`. The sentences are translated and filled when they are
rendered.
"""

from auditor.inventory.data_plane import DATA_PLANE_REASONS

_COMMON = {
    "combined.node-encryption": "{cni} encrypts traffic between nodes ({mechanism})",
    "combined.no-node-encryption": "nothing encrypts traffic between nodes below the workload",
    "indeterminate.node-encryption-unknown": "the evidence does not say whether the CNI encrypts between nodes",
}

CAUSES: dict[str, str] = {**DATA_PLANE_REASONS, **_COMMON}
"""Every cause, by code."""
