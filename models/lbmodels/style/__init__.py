# SPDX-License-Identifier: GPL-3.0-or-later
"""A joint space of sound and words: what a prompt says and what a take sounds like, as one kind of vector."""
