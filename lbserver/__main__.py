# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lbserver` is `liveband`."""

import sys

from lbserver.cli import main

sys.exit(main())
