# SPDX-License-Identifier: GPL-3.0-or-later
"""The live engine: sessions, their batching, their workers."""
