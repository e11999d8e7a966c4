"""Running checks, adding up outcomes, and what that says of requirements. Pure."""
