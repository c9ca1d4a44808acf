# SPDX-License-Identifier: GPL-3.0-or-later
"""Playing with the band through an audio interface."""
