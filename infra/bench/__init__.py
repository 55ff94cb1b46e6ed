"""Benchmarks: what onhand does per second and in how much memory, on the embedded stack of this machine."""
