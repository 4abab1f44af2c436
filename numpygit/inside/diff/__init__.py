"""Compare two runs: the first tensor that differs, and the mistake that explains it."""
