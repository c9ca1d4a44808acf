# SPDX-License-Identifier: GPL-3.0-or-later
"""Live music models: an endless stream steered by style, notes and injected sound (Lyria Team 2025)."""
