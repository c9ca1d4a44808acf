# SPDX-License-Identifier: GPL-3.0-or-later
"""Models by name: the parts of a family, loaded and put together."""

from __future__ import annotations

from typing import Any

from lbmodels.errors import LiveBandModelError
from lbmodels.families.registry import family
from lbmodels.weights.manifest import Located, locate, sha256
from lbmodels.weights.modules import load_part


def load(name: str | None = None) -> Any:
    """An accompanist on torch by name (the manifest's default for None), or from a folder that holds its parts.

    Raises:
        LiveBandModelError: unknown name, or weights that are missing, damaged or foreign.
    """
    return assemble(locate(name))


def assemble(found: Located) -> Any:
    """Put an accompanist together from its weights files.

    Raises:
        LiveBandModelError: a file is missing, damaged, foreign, or they do not belong together.
    """
    kind = family(found.family)
    modules = {}
    for part in kind.parts:
        if (path := found.parts.get(part.name)) is None:
            if part.required:
                raise LiveBandModelError(f"{found.name} has no {part.name}: a model of {kind.name} needs one")
            continue
        # A file that the manifest leaves out is no file of it: "" is no digest.
        modules[part.name] = load_part(
            part, path, None if found.pinned is None else found.pinned.get(path.name, "")
        )
    digests = [sha256(found.parts[name]) for name in kind.identity if name in found.parts]
    identity = "+".join([digests[0][:12], *(digest[:6] for digest in digests[1:])])
    return kind.build(found.name, modules, weights_id=identity, recipe=found.recipe or kind.name)
