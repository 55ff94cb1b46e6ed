"""The rules of stock, without I/O: what a command does to a level, and when it must not."""
