"""CSV syncs: a file is planned into chunks, and each chunk is applied in one transaction."""
