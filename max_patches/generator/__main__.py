# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m max_patches.generator          # writes the Max package, the surfaces and the pictures
python -m max_patches.generator --check  # exit 1 if one of them is not what the tables say
"""

import argparse
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from max_patches.generator import picture
from max_patches.generator.package import ROOT, files, shown


def is_same(path: Path, wanted: bytes) -> bool:
    """Whether a file is what it should be; a packed one by what it holds."""
    if not path.is_file():
        return False
    there = path.read_bytes()
    return there == wanted or (path.suffix == ".tosc" and zlib.decompress(there) == zlib.decompress(wanted))


def is_of(path: Path, tree: Mapping[str, Any]) -> bool:
    """Whether a picture shows this patch: fonts and versions of the library that draws may differ."""
    return path.is_file() and Image.open(path).info.get("patch") == picture.fingerprint(tree)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        prog="python -m max_patches.generator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    check = parser.parse_args(arguments).check
    stale = {path: data for path, data in files().items() if not is_same(path, data)}
    undrawn = {path: tree for path, tree in shown().items() if not is_of(path, tree)}
    stale |= {path: b"" if check else picture.draw(tree) for path, tree in undrawn.items()}
    for path, data in stale.items():
        if check:
            print(
                f"max_patches/{path.relative_to(ROOT)} is not what the tables say: run this without --check"
            )
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(f"wrote max_patches/{path.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
