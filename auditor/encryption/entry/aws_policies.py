"""AWS' predefined security policies of load balancers, each with the oldest TLS version that it accepts.

From the tables of protocols in the guides for Application, Network and Classic Load Balancers (security policies). A
listener for which nothing asks for a policy gets `DEFAULT` when a controller makes it, rather than the console. Names that
are not in the table have no known meaning here.
"""

DEFAULT = "ELBSecurityPolicy-2016-08"

_OLDEST: dict[str, tuple[str, ...]] = {
    "SSL": ("2011-08", "2014-01"),
    "1.0": (
        *("2014-10", "2015-02", "2015-03", "2015-05", "2016-08"),
        *("TLS-1-0-2015-04", "FS-2018-06"),
        *("TLS13-1-0-2021-06", "TLS13-1-0-FIPS-2023-04"),
        *("TLS13-1-0-PQ-2025-09", "TLS13-1-0-FIPS-PQ-2025-09"),
    ),
    "1.1": ("TLS-1-1-2017-01", "FS-1-1-2019-08", "TLS13-1-1-2021-06", "TLS13-1-1-FIPS-2023-04"),
    "1.2": (
        *("TLS-1-2-2017-01", "TLS-1-2-Ext-2018-06"),
        *("FS-1-2-2019-08", "FS-1-2-Res-2019-08", "FS-1-2-Res-2020-10"),
        *("TLS13-1-2-2021-06", "TLS13-1-2-Res-2021-06", "TLS13-1-2-Ext1-2021-06", "TLS13-1-2-Ext2-2021-06"),
        *("TLS13-1-2-FIPS-2023-04", "TLS13-1-2-Res-FIPS-2023-04", "TLS13-1-2-Ext0-FIPS-2023-04"),
        *("TLS13-1-2-Ext1-FIPS-2023-04", "TLS13-1-2-Ext2-FIPS-2023-04"),
        *("TLS13-1-2-PQ-2025-09", "TLS13-1-2-Res-PQ-2025-09"),
        *("TLS13-1-2-Ext1-PQ-2025-09", "TLS13-1-2-Ext2-PQ-2025-09"),
        *("TLS13-1-2-FIPS-PQ-2025-09", "TLS13-1-2-Res-FIPS-PQ-2025-09", "TLS13-1-2-Ext0-FIPS-PQ-2025-09"),
        *("TLS13-1-2-Ext1-FIPS-PQ-2025-09", "TLS13-1-2-Ext2-FIPS-PQ-2025-09"),
    ),
    "1.3": (
        *("TLS13-1-3-2021-06", "TLS13-1-3-FIPS-2023-04"),
        *("TLS13-1-3-PQ-2025-09", "TLS13-1-3-FIPS-PQ-2025-09"),
    ),
}
POLICIES = {f"ELBSecurityPolicy-{name}": version for version, names in _OLDEST.items() for name in names}
"""Policy to the oldest version that it accepts."""


def minimum_of_policy(policy: str) -> str | None:
    """The oldest version that a policy accepts, None for a name that AWS does not publish."""
    return POLICIES.get(policy)
