# SPDX-License-Identifier: GPL-3.0-or-later
"""Hears beat and chord when no host tells."""
