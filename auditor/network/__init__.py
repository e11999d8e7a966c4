"""What the policies of a cluster let through: peers, policy layers, their combination, and the rule that decides."""
