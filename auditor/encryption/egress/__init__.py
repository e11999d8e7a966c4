"""Ways out of the cluster: what is on the wire when a workload calls a host outside, hop by hop."""
