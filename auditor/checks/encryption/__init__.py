"""What protects traffic between pods."""
