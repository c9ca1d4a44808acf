# SPDX-License-Identifier: GPL-3.0-or-later
"""The live path without torch: the whole step exported once to a graph, then run from a cache by a graph engine."""
