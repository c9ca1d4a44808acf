# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam to the operating system and to the libraries beneath: what differs between machines."""
