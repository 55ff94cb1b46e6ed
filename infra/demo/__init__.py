"""The demo: a whole day of a warehouse on servers of its own, each claim checked against what the generator knows."""
