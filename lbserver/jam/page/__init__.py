# SPDX-License-Identifier: GPL-3.0-or-later
"""The jam page: a browser plays with the band, and watches the server. Its files are in `static`."""
