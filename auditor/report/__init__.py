"""I/O out: from an AuditResult to JSON, HTML, PDF and the terminal."""
