# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements: `python -m benchmarks.<name>` prints a table, then one JSON line, and appends it to results/."""
