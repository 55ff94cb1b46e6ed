"""What onhand runs on: the local stack, the command line, the demo, the benchmarks."""
