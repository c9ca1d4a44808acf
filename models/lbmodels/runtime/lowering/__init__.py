# SPDX-License-Identifier: GPL-3.0-or-later
"""Each operation that a step uses, from torch's names to ONNX's.

What depends on weights alone is computed here and now by torch itself. A complex tensor is a pair of real ones.
"""

from lbmodels.runtime.lowering import arithmetic, complexes, indices, networks, shapes
from lbmodels.runtime.lowering.core import Lowering, RingWrite

__all__ = ["Lowering", "RingWrite", "arithmetic", "complexes", "indices", "networks", "shapes"]
