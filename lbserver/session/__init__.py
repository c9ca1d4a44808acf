# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session is: its life, its controls, and what its host tells of the music."""
