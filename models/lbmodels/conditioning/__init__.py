# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network is told beside what it hears."""
