# SPDX-License-Identifier: GPL-3.0-or-later
"""Open Sound Control over UDP: every control, status ten times a second, and audio as sequenced blobs."""
