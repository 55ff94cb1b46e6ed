"""Upload files: how they are announced, found, read as records, and validated row by row."""
