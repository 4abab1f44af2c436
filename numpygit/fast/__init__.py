"""The same model arranged for speed: towers, threads."""
