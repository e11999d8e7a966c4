"""Why a way in leads where it does: reasons beside those of the engines."""

ENTRY_REACH_REASONS: dict[str, str] = {
    "indeterminate.entry-controller-unknown": "the pods that serve {object} are not in the evidence, so the policies on "
    "the way can't be followed",
    "indeterminate.entry-balancer-address": "{object} is served by a load balancer outside the cluster, whose address in "
    "front of the pods is not in the evidence; the policies let in some of the addresses that it may have",
    "entry.no-source": "the source ranges of {object} let no address in",
}
"""Code to English sentence."""
