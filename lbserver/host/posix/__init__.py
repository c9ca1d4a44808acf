# SPDX-License-Identifier: GPL-3.0-or-later
"""What Linux and macOS have and Windows lacks: nothing above `lbserver.host` imports it, and there by its system alone."""
