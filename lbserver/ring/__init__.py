# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline, and the shared memory that carries audio along it."""
