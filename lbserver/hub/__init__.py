# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub: who is there, which sessions they hold, and what they ask."""
