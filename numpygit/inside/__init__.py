"""Look inside a run: record it, step through it, compare it, explain it."""
