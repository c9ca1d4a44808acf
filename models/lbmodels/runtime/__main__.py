# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lbmodels.runtime`: exports one graph, as asked for on stdin by `lbmodels.runtime.library`."""

import sys

from lbmodels.runtime.library import work

if __name__ == "__main__":
    raise SystemExit(work(sys.stdin.read()))
