# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an implementation of a published model computes the published function: golden files against runners."""
