"""The same model arranged for speed: towers, threads, and how much a process may use."""
