"""`python -m infra.stack DIR`: run a stack until Ctrl-C or SIGTERM, its endpoints on standard output."""

import argparse
import sys
from pathlib import Path

from infra.stack import EmbeddedStack
from infra.stack.foreground import serve


def main() -> int:
    """Print the endpoints as `ONHAND_*` lines when all servers serve, then wait; 0 after a clean stop."""
    parser = argparse.ArgumentParser(prog="python -m infra.stack", description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--kafka", choices=["embedded", "apache", "none"], default="embedded")
    arguments = parser.parse_args()
    stack = EmbeddedStack(
        arguments.data_dir,
        broker=arguments.kafka != "none",
        kafka="apache" if arguments.kafka == "apache" else "embedded",
    )
    return serve(lambda: stack.start().environ(), stack.stop)


if __name__ == "__main__":
    sys.exit(main())
