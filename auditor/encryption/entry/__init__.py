"""Entry points: one module per controller family."""
