# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries and child processes are kept to their work: they tell nobody of it, write beside it in our cache alone,
and take nothing from the folder that happens to be the current one.
"""

import contextlib
import os
import sys
from pathlib import Path

from lbmodels.folders import cache_folder

SAFE_FOLDER = "/"
"""Where children work that are given absolute paths only: only root writes there."""


def tell_nobody() -> None:
    """Switch off what ONNX Runtime reports to its makers; it looks once, when it is imported."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def keep_caches() -> None:
    """Give torch's compilers folders in our cache; by default they share names in /tmp with everybody."""
    caches = {
        "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "TRITON_CACHE_DIR": "triton",
        "CUDA_CACHE_PATH": "cuda",
    }
    with contextlib.suppress(RuntimeError):  # who has no home has no caches
        for name, folder in caches.items():
            os.environ.setdefault(name, str(cache_folder() / folder))


def python(module: str) -> list[str]:
    """The command that runs a module of ours in a child, in `SAFE_FOLDER`."""
    return [sys.executable, "-P", "-m", module]


def prepare_drawing() -> None:
    """Import matplotlib as it comes: with its own settings and fonts, files in memory, no window.

    By itself it reads `matplotlibrc` in the current folder and runs `fc-list`, which writes a cache of its own.
    """
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))
    elsewhere = contextlib.chdir(SAFE_FOLDER) if Path("matplotlibrc").exists() else contextlib.nullcontext()
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.devnull
    try:
        with elsewhere:
            import matplotlib as mpl
            import matplotlib.font_manager
    finally:
        os.environ["PATH"] = path
    mpl.use("Agg")
