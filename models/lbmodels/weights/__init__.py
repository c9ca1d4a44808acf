# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights as files: which there are, checked before anything reads them, as modules and back."""
