# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks share: the subject, the clock, the machine, the record."""
