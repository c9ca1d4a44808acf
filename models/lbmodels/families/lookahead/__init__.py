# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of latents drawn by diffusion, ahead of what is heard."""
