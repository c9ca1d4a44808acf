# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests and benchmarks share: small accompanists without torch, a bad network, servers, waiting for events."""
