# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests and benchmarks share: small accompanists without torch, a bad network, a client that speaks OSC."""
