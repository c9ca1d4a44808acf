# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of `liveband`: parsers, printing, and what only they need."""
