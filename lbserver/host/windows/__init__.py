# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam's forms on Windows, by ctypes; each can be imported anywhere, and what asks the system runs there alone."""
