# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: one importable program per objective, recipes in TOML."""
