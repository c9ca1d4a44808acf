# SPDX-License-Identifier: GPL-3.0-or-later
"""The stem classes. A new one is one more entry, at the end: its place is what goes over the wire."""

STEMS = ("drums", "bass", "piano", "guitar")
"""Order of the `stem` control's choices; an accompanist may play some of them."""
STEMS_AND_REST = (*STEMS, "other")
"""What sounds in a song: a stem of one of the classes, or another one."""
