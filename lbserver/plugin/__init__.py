# SPDX-License-Identifier: GPL-3.0-or-later
"""The plug-in from outside: its bundles, its command, a bounce through it."""
