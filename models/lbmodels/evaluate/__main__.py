# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lbmodels.evaluate evaluate ...`."""

import sys

from lbmodels.evaluate.commands import main

if __name__ == "__main__":
    sys.exit(main())
