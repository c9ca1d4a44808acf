# SPDX-License-Identifier: GPL-3.0-or-later
"""Streaming music models: layers, codec, generators, data, training and evaluation."""
