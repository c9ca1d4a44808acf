# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lbmodels.data render ...`: the data commands without the server package."""

from __future__ import annotations

import argparse
import sys

from lbmodels.data.commands import add_parser
from lbmodels.data.errors import DataError


def main() -> int:
    """Runs a data command; bad input is one line and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m lbmodels")
    add_parser(parser.add_subparsers(metavar="COMMAND", required=True))
    args = parser.parse_args(["data", *sys.argv[1:]])
    try:
        return int(args.run(args))
    except DataError as error:
        print(f"liveband: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
