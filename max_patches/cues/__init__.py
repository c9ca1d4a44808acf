# SPDX-License-Identifier: GPL-3.0-or-later
"""One plain message per bar for live-coders: `python -m max_patches.cues PORT...` beside `liveband serve`."""
