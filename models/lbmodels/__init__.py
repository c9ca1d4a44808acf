# SPDX-License-Identifier: GPL-3.0-or-later
"""Streaming music models: layers, codec, generators, data, training and evaluation."""

from lbmodels.isolation import tell_nobody

tell_nobody()  # before anything of ours can import ONNX Runtime
