"""The lines that keep the promises, each with tests that fail without it. `make guards` takes them out one by one."""
