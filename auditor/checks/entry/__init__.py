"""Ways in from outside."""
