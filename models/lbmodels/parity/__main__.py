# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lbmodels.parity FILE.npz ... [--json]`: runs golden files and compares every output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lbmodels.errors import LiveBandModelError
from lbmodels.parity.case import load
from lbmodels.parity.compare import Row, compare
from lbmodels.parity.runners import runner
from lbmodels.plain_json import to_json


def main(arguments: Sequence[str] | None = None) -> int:
    """0: everything agrees; 1: an output differs; 2: a file that cannot be run, said in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m lbmodels.parity",
        description="Computes golden files of published models and compares every output with what they say.",
        epilog="example: python -m lbmodels.parity tests/fixtures/parity/dac_small_4458.npz",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.npz")
    parser.add_argument("--json", action="store_true", help="print one JSON line a file")
    told = parser.parse_args(arguments)
    failed = refused = False
    for path in told.files:
        try:
            case = load(path)
            rows = compare(case, runner(case)(case))
        except LiveBandModelError as error:
            print(f"error: {error}", file=sys.stderr)
            refused = True
            continue
        failed |= not all(row.ok for row in rows)
        print(
            to_json({"file": str(path), "rows": [asdict(row) for row in rows]})
            if told.json
            else _table(path, rows)
        )
    return 2 if refused else 1 if failed else 0


def _table(path: Path, rows: Sequence[Row]) -> str:
    head = f"{path}\n  {'output':24} {'compared':>17} {'difference':>11} {'limit':>8}  ok"
    lines = [
        f"  {row.output:24} {f'{row.compared}/{row.cells}':>17} {row.difference:11.3g} {row.limit:8.0e}  "
        f"{'yes' if row.ok else 'NO'}{f'  {row.note}' if row.note else ''}"
        for row in rows
    ]
    return "\n".join((head, *lines))


if __name__ == "__main__":
    sys.exit(main())
