# SPDX-License-Identifier: GPL-3.0-or-later
"""The one source of every struct, message, address, control and error that crosses a process border.

Standard library only, beside the tuple of stem classes. `python -m lbserver.protocol.generate` writes the C++ header and the reference tables from it.
"""

MAJOR = 1
"""Another major version is refused, with a text, before anything else is read."""
MINOR = 0
"""A newer minor version adds fields at the end; what is not known is ignored and counted."""
