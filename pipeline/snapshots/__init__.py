"""Snapshots: an account's stock at one instant, exported as one JSON document to object storage."""
