# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways into the server: each is a peer of the ring and of the hub, and nothing more."""
