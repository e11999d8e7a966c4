"""Results where others read them, and messages to those who must know. Nothing here changes what was stored."""
