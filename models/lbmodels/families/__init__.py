# SPDX-License-Identifier: GPL-3.0-or-later
"""Model families: each a folder, none of which imports another."""
