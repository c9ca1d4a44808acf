# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from one style to the next."""

import numpy as np

from lbserver.music.style import NONE, in_new_epoch, style_at, towards

A, B = np.eye(3, dtype=np.float32)[:2]


def test_a_glide_is_even_and_may_turn_round_on_its_way() -> None:
    """A new prompt in the middle of a glide sets off from where it is: no jump; from nothing there is no way."""
    begun = towards(NONE, A, at_s=1.0, length_s=2.0)
    assert style_at(NONE, 0.0) is None
    assert style_at(begun, 1.0) is A
    way = towards(begun, B, at_s=5.0, length_s=2.0)
    middle = style_at(way, 6.0)
    np.testing.assert_allclose(middle, (A + B) / 2**0.5, atol=1e-6)
    np.testing.assert_allclose(style_at(way, 5.0), A, atol=1e-6)
    np.testing.assert_array_equal(style_at(way, 7.0), B)
    turned = towards(way, A, at_s=6.0, length_s=1.0)
    np.testing.assert_allclose(style_at(turned, 6.0), middle, atol=1e-6)
    np.testing.assert_array_equal(style_at(in_new_epoch(way), 0.0), B)
    assert style_at(towards(way, None, at_s=6.0, length_s=1.0), 6.5) is None
    opposite = style_at(towards(begun, -A, at_s=5.0, length_s=2.0), 5.5)
    np.testing.assert_allclose(np.linalg.norm(opposite), 1.0, atol=1e-6)
