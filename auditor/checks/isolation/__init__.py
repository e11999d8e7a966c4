"""Who can reach whom: NetworkPolicy and its successors."""
