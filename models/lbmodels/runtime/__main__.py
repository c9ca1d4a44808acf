# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lbmodels.runtime`: exports one graph, as asked for on stdin by `lbmodels.runtime.opening`."""

import sys

from lbmodels.runtime.opening import work

if __name__ == "__main__":
    raise SystemExit(work(sys.stdin.read()))
