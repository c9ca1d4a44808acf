# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the data package: one line that says what was wrong and what is accepted."""

from __future__ import annotations

from lbmodels.errors import LiveBandModelError


class DataError(LiveBandModelError):
    """A data source, folder, label or option could not be used."""
