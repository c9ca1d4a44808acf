# SPDX-License-Identifier: GPL-3.0-or-later
"""The jam page: a browser plays with the band, and watches the server. Its files are in `static`."""

PORT = 9463
"""Of the page, if no other is asked for."""
