# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a model by name on a graph engine: from the cache, or exported once. Knows torch only for the export."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lbmodels.contract.accompanist import Accompanist
from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError, NotExportableError
from lbmodels.isolation import SAFE_FOLDER, keep_caches, python
from lbmodels.runtime import cache
from lbmodels.runtime.devices import chosen
from lbmodels.runtime.engines import installed, open_engine
from lbmodels.runtime.graph import GraphAccompanist
from lbmodels.runtime.manifest import Manifest, from_json
from lbmodels.weights.manifest import Located, locate, sha256, weights_folder

if TYPE_CHECKING:
    from lbmodels.runtime.matrices import Matrices

_MADE_BY = ("band.py", "codec", "conditioning", "contract", "listening", "runtime", "streaming")
"""The code that decides what graph some weights give, beside that of the family."""

_REFUSED, _NOT_EXPORTABLE = 12, 13  # exit codes of the process that exports

LIVE = ("onnx",)
"""Runtimes that run graphs, the quickest first."""

GRAPHS = (*LIVE, "onnx-float32")
"""All of them; float32 weights are for comparisons."""


def open_accompanist(name: str | None = None, runtime: str = "auto", device: str = "auto") -> Accompanist:
    """An accompanist by name or folder, on the runtime and the device that are asked for.

    `auto` is what $LIVEBAND_DEVICE says, else the CPU. On a GPU torch runs it unless a graph runtime is named. Raises as
    `open_model`, and for a device that is not there.
    """
    place = chosen(device if device != "auto" else os.environ.get("LIVEBAND_DEVICE") or "auto")
    if place == "cpu" or runtime in GRAPHS:
        graph = open_model(name, runtime, place)
        if graph is not None:
            return graph
    from lbmodels.families.loading import load
    from lbmodels.runtime.eager import TorchAccompanist

    return TorchAccompanist(load(name), place)


def open_model(
    name: str | None = None, runtime: str = "auto", device: str = "cpu"
) -> GraphAccompanist | None:
    """An accompanist by name or folder (the default model for None); None where torch is to run it.

    `auto` is what $LIVEBAND_RUNTIME says, else the quickest that is installed; torch for a model that cannot be
    exported. A model that ships brings its graph and needs no torch; of others the graph is exported the first time they
    are opened, which takes some 15 s; after that this takes a fraction of a second and does not import torch.

    Raises:
        LiveBandModelError: no such model or runtime, weights that are missing, damaged or foreign, or an export
            that was asked for by name and cannot be made.
    """
    wish = runtime if runtime != "auto" else os.environ.get("LIVEBAND_RUNTIME") or "auto"
    if wish not in ("auto", "torch", *GRAPHS):
        raise LiveBandModelError(
            f"unknown runtime {wish[:40]!r}; there are: auto, {', '.join(GRAPHS)}, torch"
        )
    if wish == "torch" or (wish == "auto" and not installed("onnx")):
        return None
    picked = "onnx" if wish == "auto" else wish
    try:
        manifest, model = graph(name, picked)
    except NotExportableError:
        if wish == "auto":
            return None
        raise
    return GraphAccompanist(picked, manifest, open_engine(engine(picked), model, device))


def graph(name: str | None, runtime: str) -> tuple[Manifest, bytes]:
    """The graph of a model for a runtime: the one that ships, from the cache, or exported into it. Raises as `open_model`."""
    from lbmodels.families.registry import family

    found = locate(name)
    if not family(found.family).graph:
        raise NotExportableError(f"{found.name}: models of the family {found.family} run on torch alone")
    kept_as = key(found, runtime)
    kept = (_shipped(found, runtime) or cache.read(kept_as)) if kept_as is not None else None
    if kept is None:
        with cache.exclusive():  # workers that start together wait for the first one's
            kept = cache.read(kept_as) if kept_as is not None else None
            if kept is None:
                kept = _exported(found, runtime)
                if kept_as is not None:
                    cache.write(kept_as, *kept)
    text, model = kept
    return from_json(text), model


def _shipped(found: Located, runtime: str) -> tuple[str, bytes] | None:
    """The graph that lies beside the weights it was made from; one of other code only where none can be made.

    Only ours: a stranger's folder may bring weights, which are checked, but no program, which a graph is.
    """
    path = found.graphs.get(runtime)
    if path is None or path.parent != weights_folder():
        return None
    if found.made_by.get(runtime) != exporter(found.family) and torch_is_there():
        return None
    kept = cache.read_file(path)
    whole = kept is not None and found.pinned is not None and found.pinned.get(path.name) == sha256(path)
    if whole or torch_is_there():
        return kept if whole else None
    raise LiveBandModelError(f"{path.name} is missing or damaged; reinstall liveband")


def torch_is_there() -> bool:
    """Whether graphs can be made here."""
    try:
        return importlib.util.find_spec("torch") is not None
    except (ImportError, ValueError):
        return False


@functools.cache
def exporter(name: str) -> str:
    """What makes graphs of a family: a digest of the code they depend on, so that no cache outlives a change of it."""
    from lbmodels.families.registry import family

    package = Path(__file__).resolve().parents[1]
    folders = (f"families/{used}" for used in (name, *family(name).builds_on))
    places = [package / part for part in (*_MADE_BY, *folders)]
    sources = sorted(file for place in places for file in ([place] if place.suffix else place.rglob("*.py")))
    found = hashlib.sha256(version("liveband").encode())
    for source in sources:
        found.update(str(source.relative_to(package)).encode() + source.read_bytes())
    return found.hexdigest()


def key(found: Located, runtime: str) -> str | None:
    """What a graph is made from; None if that cannot be told: then loading the weights says why."""
    digests = []
    for file in found.files:
        if not file.is_file():
            return None
        digests.append(sha256(file))
        if found.pinned is not None and found.pinned.get(file.name) != digests[-1]:
            return None
    text = "\n".join([exporter(found.family), runtime, found.name, *digests])
    return f"{runtime}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def engine(runtime: str) -> str:
    """The library that runs a runtime's graphs."""
    return runtime.partition("-")[0]


def matrices(runtime: str) -> Matrices:
    """How a runtime's graphs hold their weights."""
    from lbmodels.runtime.matrices import Matrices

    return Matrices(bits=32 if runtime.endswith("float32") else 8)


def exported(found: Located, runtime: str) -> tuple[str, bytes]:
    """Export here and now: manifest and model."""
    keep_caches()
    from lbmodels.families.loading import assemble
    from lbmodels.families.registry import family
    from lbmodels.runtime.export import export

    model, manifest = export(assemble(found), matrices(runtime), family(found.family))
    return manifest.to_json(), model


def _exported(found: Located, runtime: str) -> tuple[str, bytes]:
    """Export in a process of its own: torch's half a gigabyte goes with it."""
    if "torch" in sys.modules:
        return exported(found, runtime)
    if not torch_is_there():
        raise LiveBandModelError(
            f"{found.name} was not exported yet, which takes torch: pip install 'liveband[torch]'"
        )
    with tempfile.TemporaryDirectory(prefix="liveband-") as folder:
        job = {
            "name": found.name,
            "family": found.family,
            "parts": {part: _whole(path) for part, path in found.parts.items()},
            "pinned": found.pinned and dict(found.pinned),
            "runtime": runtime,
            "folder": _whole(folder),
        }
        try:
            done = subprocess.run(
                python("lbmodels.runtime"),
                cwd=SAFE_FOLDER,
                input=json.dumps(job),
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:  # a sandbox, perhaps
            return exported(found, runtime)
        text, model = Path(folder) / "manifest", Path(folder) / "model"
        if done.returncode == 0:
            return text.read_text(), model.read_bytes()
    if done.returncode in (_REFUSED, _NOT_EXPORTABLE):
        kind = NotExportableError if done.returncode == _NOT_EXPORTABLE else LiveBandModelError
        raise kind(done.stderr.strip().splitlines()[-1])
    return exported(found, runtime)


def _whole(path: Path | str) -> str:
    return str(Path(path).absolute())


def work(job: str) -> int:
    """The process of `_exported`: exit code 0, or the reason as a line on stderr."""
    asked = read_json(job)
    folder = Path(asked["folder"])
    found = Located(
        name=asked["name"],
        family=asked["family"],
        parts={part: Path(path) for part, path in asked["parts"].items()},
        pinned=asked["pinned"],
    )
    try:
        text, model = exported(found, asked["runtime"])
    except LiveBandModelError as error:
        print(error, file=sys.stderr)
        return _NOT_EXPORTABLE if isinstance(error, NotExportableError) else _REFUSED
    (folder / "manifest").write_text(text)
    (folder / "model").write_bytes(model)
    return 0
