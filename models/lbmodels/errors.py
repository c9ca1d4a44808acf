# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that a user of the models can cause and mend."""


class LiveBandModelError(ValueError):
    """One line that says what was wrong and what is accepted."""


class NotExportableError(LiveBandModelError):
    """The model does something that a graph engine cannot do: it runs on torch alone."""
