# SPDX-License-Identifier: GPL-3.0-or-later
"""The Frechet distance of two sets of vectors: between the Gaussians that fit them (Kilgour et al. 2019).

A covariance of few vectors is known badly, and the distance of two samples of one set is then far from 0: it grows
with about size / vectors. Figures are therefore comparable only at one number of excerpts, and only beside the
distance of the truth's halves, which `liveband evaluate` takes from as many excerpts (`run`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbmodels.evaluate.metrics import Floats


def distance(true: Sequence[Floats], heard: Sequence[Floats]) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of all vectors of both sides.

    Args:
        true, heard: [W, D] for each excerpt; an excerpt's vectors are taken as if they were independent.

    Returns:
        0 for the same vectors on both sides; NaN where a side has fewer than two.
    """
    if not len(true) or not len(heard):
        return float("nan")
    ours, theirs = (np.concatenate(list(side)).astype(np.float64) for side in (heard, true))
    if min(len(ours), len(theirs)) < 2:
        return float("nan")
    means = ours.mean(0) - theirs.mean(0)
    ours, theirs = ((side - side.mean(0)) / np.sqrt(len(side) - 1) for side in (ours, theirs))
    # tr (S1 S2)^(1/2) is the sum of the singular values of X1 X2^T: no root of a near-singular matrix is needed.
    # Those of R1 R2^T are the same (X = Q R), and it is no larger than the vectors.
    ours_r, theirs_r = (np.asarray(np.linalg.qr(side, mode="r")) for side in (ours, theirs))
    shared = np.linalg.svd(ours_r @ theirs_r.T, compute_uv=False).sum()
    found = means @ means + (ours**2).sum() + (theirs**2).sum() - 2 * shared
    return max(float(found), 0.0)
