# SPDX-License-Identifier: GPL-3.0-or-later
"""Hears where the beat is when no host tells."""
