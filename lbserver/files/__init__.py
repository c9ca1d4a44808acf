# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and writing that a stranger's bytes or a full disk cannot harm."""
