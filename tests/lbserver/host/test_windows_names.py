# SPDX-License-Identifier: GPL-3.0-or-later
"""What of Windows' seam is text: whose alone a thing is, and which names are opened."""

import pytest

from lbserver.errors import LiveBandError
from lbserver.host.windows import mappings, names, pipes, security

USER = "S-1-5-21-1-2-3-1000"


@pytest.mark.parametrize(
    ("descriptor", "alone"),
    [
        (security.alone_text(USER), True),
        (security.alone_text(USER, inherited=True), True),
        (f"O:BAD:P(A;;FA;;;{USER})(A;;FA;;;SY)", True),
        (f"O:{USER}D:(A;;FA;;;{USER})(A;;FR;;;WD)", False),
        (f"O:{USER}D:NO_ACCESS_CONTROL", False),
        (f"O:{USER}D:", False),
        (f"O:S-1-5-21-1-2-3-1001D:(A;;FA;;;{USER})", False),
        (f"O:{USER}D:(A;;FA;;;{USER}", False),
        ("", False),
    ],
)
def test_only_what_nobody_else_may_touch_is_trusted(descriptor: str, alone: bool) -> None:
    """A run folder that everybody may write into names the pipe of whoever came first."""
    assert security.is_alone(descriptor, USER) == alone
    assert not security.is_alone(descriptor, "")


def test_no_name_but_a_random_one_of_this_machine_is_opened() -> None:
    """A pipe of another machine would be told who the user is; a guessed name may be anybody's."""
    name = names.random_name(names.PIPES)
    assert name != names.random_name(names.PIPES)
    assert names.is_name(name, names.PIPES)
    digits = "0123456789abcdef" * 2
    for wrong in (
        name + "0",
        name[:-1],
        name.upper(),
        f"\\\\elsewhere\\pipe\\liveband-{digits}",
        name + "\n",
    ):
        assert not names.is_name(wrong, names.PIPES)
        with pytest.raises(LiveBandError, match="no pipe of ours"):
            pipes.connect(wrong)
        with pytest.raises(LiveBandError, match="no name of ours"):
            mappings.open_named(wrong)


def test_sizes_are_whole_pages() -> None:
    assert [mappings.holds(size, 5000) for size in (4096, 5000, 8192, 8193)] == [False, True, True, False]
