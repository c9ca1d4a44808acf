# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before something that failed is tried again: ever longer, and never for ever."""

_FIRST_S = 0.1
_LONGEST_S = 30.0
_HEALTHY_S = 30.0


class Backoff:
    """Pauses that double from a tenth of a second to half a minute; what held for half a minute is a new beginning.

    The first failure costs no pause. Time is an argument, in seconds, and never goes back.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._began_s: float | None = None

    def began(self, now_s: float) -> None:
        """It works from now on, until it fails."""
        self._began_s = now_s

    def failed(self, now_s: float) -> float:
        """Seconds to wait before the next try."""
        if self._began_s is not None and now_s - self._began_s > _HEALTHY_S:
            self.failures = 0
        self._began_s = None
        self.failures += 1
        if self.failures == 1:
            return 0.0
        return min(_LONGEST_S, _FIRST_S * 2.0 ** min(self.failures - 2, 60))
