# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet as it runs: servers in processes of this machine or on a Ray cluster, watched, replaced, and told of by a directory."""
