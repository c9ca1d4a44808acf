# SPDX-License-Identifier: GPL-3.0-or-later
"""Music as people and hosts write it, per output frame; a player's rests and half time."""
