# SPDX-License-Identifier: GPL-3.0-or-later
"""The OSC protocol of the Max system of Karchkhadze and Dubnov 2026: its patch plays with whatever model this server has."""
