# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the Max package and the surfaces from the tables of lbserver.protocol: `python -m max_patches.generator`."""
