"""Ways into the cluster from outside, one module per family of controllers."""
