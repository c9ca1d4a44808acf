# SPDX-License-Identifier: GPL-3.0-or-later
"""The server put together from its parts."""
