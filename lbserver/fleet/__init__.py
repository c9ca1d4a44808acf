# SPDX-License-Identifier: GPL-3.0-or-later
"""Many servers as one: which of them plays a session, what becomes of it when one goes, how many there are to be."""
