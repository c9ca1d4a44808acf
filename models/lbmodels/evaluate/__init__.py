# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of an accompaniment against the song it should fit."""
