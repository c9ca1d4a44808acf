# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: `liveband`, and `python -m lbserver`, which is the same."""

import sys

from lbserver.host.isolation import isolate


def main() -> int:
    """Run the command that the arguments name; nothing is imported before the current folder is forgotten."""
    isolate()
    from lbserver.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
