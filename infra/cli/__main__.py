"""`python -m infra.cli`: the same as `onhand`, for processes that start workers with their own Python."""

from infra.cli import main

main()
