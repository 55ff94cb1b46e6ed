"""Commands: a batch of them is deduplicated, decided in order, and written in one transaction."""
