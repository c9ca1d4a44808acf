# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chord a tracker's belief means, without torch."""

import numpy as np

from lbmodels.listening.chords import QUALITIES, heard_in


def test_the_chord_that_is_believed_most_is_heard_where_one_is_told() -> None:
    """Catches tones of another root, a bass that is the quality's number, and a chord where the tracker is sure of none."""
    belief = np.full((2, 12 * len(QUALITIES)), 1e-3)
    belief[:, 9 * len(QUALITIES) + QUALITIES.index((0, 3, 7, 10))] = 0.9  # over A
    heard = heard_in(belief, np.array([1.0, 0.0]))
    assert np.flatnonzero(heard[0, :12]).tolist() == [0, 4, 7, 9]
    assert heard[0, 12] == 9
    assert np.isnan(heard[1]).all()
