# SPDX-License-Identifier: GPL-3.0-or-later
"""LiveBand's server side: timeline, engine, offline bounce and the `liveband` command. Runs without torch."""

__version__ = "0.1.0"
