"""Where the evidence of unattended runs is kept: a folder or a bucket, each run whole or not at all."""
