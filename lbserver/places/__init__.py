# SPDX-License-Identifier: GPL-3.0-or-later
"""Doors out: where sessions are played, on this machine or on another."""
