# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that need models: data, train, evaluate, models. Heavy imports happen when one runs."""

from __future__ import annotations

import argparse
import importlib
import json
from dataclasses import asdict
from pathlib import Path

from lbmodels.data.commands import add_parser as add_data
from lbmodels.documents import read_toml
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.commands import add_parser as add_evaluate
from lbmodels.families import registry
from lbmodels.families.liveband.family import GENERATOR
from lbmodels.families.parts import Objective
from lbmodels.former_names import today
from lbmodels.isolation import keep_caches
from lbmodels.plain_json import to_json
from lbmodels.train.pool_command import add_parser as add_pool

SHARED = {
    "codec": Objective(module="lbmodels.train.codec", from_latents=False),
    "beat_tracker": Objective(module="lbmodels.train.beat_tracker", from_latents=False),
    "chord_tracker": Objective(module="lbmodels.train.chord_tracker"),
    "coherence": Objective(module="lbmodels.train.coherence", from_latents=False),
    "rvq": Objective(module="lbmodels.train.rvq", ranks=False),
    "style": Objective(module="lbmodels.train.style", from_latents=False),
}
"""What may be learnt for models of every family; each family brings the others."""
IMPORTERS = (
    "lbmodels.families.streamgen.import_command",
    "lbmodels.families.livemusic.importing",
    "lbmodels.families.lookahead.import_command",
)
"""Modules whose `add_parser` adds one published model, or several, to `liveband models import`."""
_MOST_RANKS = 64
Subparsers = argparse._SubParsersAction


def add_parsers(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add every command; each leaves `run`, a function of the parsed arguments that returns the exit code."""
    keep_caches()
    add_pool(add_data(subparsers))
    _add_train(subparsers)
    add_evaluate(subparsers)
    _add_models(subparsers)


def _add_train(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "train",
        help="train an autoencoder, a generator, or what hears beat and chords, by a recipe",
        description="Trains by a recipe into a folder. The same command again goes on where it stopped; "
        "--ranks N uses N GPUs; torchrun starts it on several machines.",
        epilog="""examples:
  liveband train codec --recipe tiny --data dataset --out runs/codec
  liveband train codec --recipe tiny-decoder --data dataset --out runs/decoder --set start_from=runs/codec/codec.safetensors
  liveband train tempogram --recipe tiny --data dataset --codec runs/decoder/codec.safetensors --out runs/tempogram
  liveband train liveband --recipe tiny --data dataset --codec runs/decoder/codec.safetensors --out runs/band --set start_from=runs/tempogram/generator.safetensors
  liveband train latent_matching --recipe tiny --data dataset --codec runs/decoder/codec.safetensors --out runs/matched --set start_from=runs/band/generator.safetensors
  liveband train beat_tracker --recipe tiny --data dataset --out runs/beat_tracker
  liveband train chord_tracker --recipe tiny --data dataset --codec runs/decoder/codec.safetensors --out runs/chord_tracker
  liveband train rvq --recipe tiny --data dataset --out runs/tokens
  liveband train lookahead --recipe tiny --data dataset --out runs/lookahead
  liveband train consistency --recipe tiny --data dataset --out runs/lookahead --set teacher=runs/lookahead/teacher.safetensors
  liveband train style --recipe tiny --data dataset --out runs/style
  liveband bounce song.wav -o bass.wav --stem bass --model runs/matched
""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("objective", type=today, choices=tuple(objectives()), help="what to train")
    parser.add_argument("--recipe", default="tiny", help="name of a recipe, or a .toml file (default: tiny)")
    parser.add_argument(
        "--data", metavar="ROOT", help="data set folder, made by 'liveband data render' or Slakh2100"
    )
    parser.add_argument(
        "--codec",
        metavar="FILE",
        help="autoencoder weights, for what learns from latents (default: the shipped ones)",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="checkpoints, curves, samples, weights"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one value of the recipe, as loop.steps=100 (TOML value; repeatable)",
    )
    parser.add_argument(
        "--ranks",
        type=_count,
        default=1,
        metavar="N",
        help="train in N processes, each with a GPU where there are any (default: 1)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress lines")
    parser.set_defaults(run=_train)


def objectives() -> dict[str, Objective]:
    """Every objective by name, the shared ones first."""
    found = dict(SHARED)
    for name in registry.names():
        found |= registry.family(name).objectives
    return found


def override(tables: dict[str, object], setting: str) -> None:
    """Apply `table.key=value` to a recipe's tables.

    Raises:
        LiveBandModelError: not of that form.
    """
    key, equals, text = setting.partition("=")
    *path, name = key.strip().split(".")
    if not equals or not all((*path, name)):
        raise LiveBandModelError(f"--set {setting!r}: accepted is KEY=VALUE, as loop.steps=100")
    try:
        value = read_toml(f"value = {text}")["value"]
    except ValueError:
        value = text.strip()
    inner = tables
    for part in path:
        below = inner.setdefault(part, {})
        if not isinstance(below, dict):
            raise LiveBandModelError(f"--set {setting!r}: {part!r} is not a table")
        inner = below
    inner[name] = value


def _train(arguments: argparse.Namespace) -> int:
    from lbmodels.train.recipe import read_recipe

    tables = read_recipe(arguments.objective, arguments.recipe)
    if arguments.data:
        override(tables, f"data.root={json.dumps(arguments.data)}")
    objective = objectives()[arguments.objective]
    if objective.from_latents:
        override(tables, f"data.codec={json.dumps(arguments.codec or _shipped_codec())}")
    elif arguments.codec:
        raise LiveBandModelError(
            f"--codec is for what learns from latents; {arguments.objective} learns from audio"
        )
    for setting in arguments.set:
        override(tables, setting)
    job = objective.module, tables, arguments.out, arguments.quiet
    if arguments.ranks > 1:
        if not objective.ranks:
            raise LiveBandModelError(
                f"--ranks is for what learns step by step; {arguments.objective} is fitted in one process"
            )
        from lbmodels.train.ranks import spawn

        spawn(arguments.ranks, _program, *job)
    else:
        _program(*job)
    return 0


def _program(module: str, tables: dict[str, object], out: Path, quiet: bool) -> None:
    """A training program, in one of the processes that train."""
    from lbmodels.train.ranks import join, leads

    join()
    weights = importlib.import_module(module).main(tables, out, quiet=quiet or not leads())
    if leads() and not quiet:
        print(f"weights: {weights}")


def _shipped_codec() -> str:
    from lbmodels.weights.manifest import available, weights_folder

    cards = available()
    if not cards:
        raise LiveBandModelError("no autoencoder ships with this copy; train one and name it by --codec")
    return str(weights_folder() / cards[0].parts["codec"])


def _add_models(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "models", help="list, describe, verify and import the models that are installed"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in (
        ("list", "names, the default first"),
        (
            "info",
            "sizes, rates, controls and conditions of one model, the memory it takes, and what a frame costs on each runtime",
        ),
        ("verify", "compare the weights with the manifest's checksums"),
    ):
        command = commands.add_parser(
            name, help=text, description=text, epilog=f"example: liveband models {name}"
        )
        command.add_argument("--json", action="store_true", help="print JSON")
        if name == "info":
            command.add_argument("model", nargs="?", help="name or folder (default: the default model)")
        command.set_defaults(run={"list": _list, "info": _info, "verify": _verify}[name])
    importing = commands.add_parser(
        "import",
        help="make a model of others' published weights playable; nothing is downloaded, nothing in them is run",
        description="Reads published checkpoints that you have, checks every tensor's name and shape, and writes a folder "
        "for --model, with a card that tells source, licence and checksums.",
        epilog="example: liveband models import streamgen --help",
    )
    kinds = importing.add_subparsers(title="published models", metavar="MODEL", required=True)
    for module in IMPORTERS:
        importlib.import_module(module).add_parser(kinds)
    average = commands.add_parser(
        "average",
        help="the mean of generators of one run, taken at several steps",
        description="Writes the mean of several generators' weights. Of a run whose steps are few it is often better than each.",
        epilog="example: liveband models average runs/early/generator.safetensors runs/band/generator.safetensors "
        "--out runs/mean/generator.safetensors",
    )
    average.add_argument("files", nargs="+", type=Path, metavar="GENERATOR.safetensors")
    average.add_argument("--out", required=True, type=Path, metavar="FILE")
    average.set_defaults(run=_average)
    publish = commands.add_parser(
        "publish",
        help="enter trained weights in a weights folder, as the default model or beside it",
        description="Writes the weights of all parts in half precision with their card and checksums into a weights folder.",
        epilog="example: liveband models publish tiny --codec runs/decoder/codec.safetensors "
        "--generator runs/band/generator.safetensors --recipe liveband/tiny --card card.md --folder models/weights",
    )
    publish.add_argument("name")
    publish.add_argument(
        "--family", choices=registry.names(), default="liveband", help="default: %(default)s"
    )
    for part in registry.all_parts().values():
        publish.add_argument(f"--{part.name.replace('_', '-')}", type=Path, metavar="FILE", help=part.help)
    for option in ("--card", "--folder"):
        publish.add_argument(option, required=True, type=Path)
    publish.add_argument(
        "--trim-db",
        type=_numbers,
        default=(),
        metavar="DB,DB,...",
        help="gain for each stem, where `liveband evaluate` found the model too soft (default: none)",
    )
    publish.add_argument("--beside", action="store_true", help="beside the default model, not as the default")
    publish.add_argument("--recipe", required=True, help="recipe the weights were trained by")
    publish.add_argument("--description", default="", help="one line for 'liveband models list'")
    publish.set_defaults(run=_publish)
    graph = commands.add_parser(
        "graph",
        help="make the graph that ships with a model, so that it plays without torch",
        description="Exports a model of a weights folder beside its weights, and enters the file in the manifest.",
        epilog="example: liveband models graph tiny --folder models/weights",
    )
    graph.add_argument("name")
    graph.add_argument("--folder", required=True, type=Path)
    graph.set_defaults(run=_graph)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_RANKS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {_MOST_RANKS}")
    return int(text)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers between commas, as 0,1.5,4,6") from None


def _average(arguments: argparse.Namespace) -> int:
    from lbmodels.families.publishing import average

    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    print(f"weights: {average(GENERATOR, arguments.files, arguments.out)}")
    return 0


def _publish(arguments: argparse.Namespace) -> int:
    from lbmodels.families.publishing import publish

    if not arguments.card.is_file():
        raise LiveBandModelError(f"card not found: {arguments.card}")
    family = registry.family(arguments.family)
    told = {part: getattr(arguments, part) for part in registry.all_parts()}
    parts = {part: path for part, path in told.items() if path is not None}
    for part in family.parts:
        if part.required and part.name not in parts:
            raise LiveBandModelError(
                f"a model of {family.name} needs --{part.name.replace('_', '-')}: {part.help}"
            )
    entry = publish(
        arguments.name,
        parts,
        family_name=arguments.family,
        recipe=arguments.recipe,
        description=arguments.description,
        card=arguments.card.read_text(),
        folder=arguments.folder,
        trim_db=arguments.trim_db,
        default=not arguments.beside,
    )
    print(
        f"{entry.name} is now {'the default' if entry.default else 'one of the models'} of {arguments.folder}"
    )
    return 0


def _graph(arguments: argparse.Namespace) -> int:
    from lbmodels.runtime.shipping import ship_graph

    entry = ship_graph(arguments.name, arguments.folder)
    for runtime, file in entry.graphs.items():
        print(f"{entry.name} plays on {runtime} without torch: {arguments.folder / file}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from lbmodels.weights.manifest import available

    cards = available()
    if arguments.json:
        print(to_json([asdict(card) for card in cards]))
    for card in cards if not arguments.json else []:
        print(f"{card.name}{' (default)' if card.default else ''}: {card.description}")
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from lbmodels.runtime.opening import open_accompanist
    from lbmodels.runtime.timing import runtimes
    from lbmodels.weights.manifest import locate

    facts = asdict(open_accompanist(arguments.model).spec)
    facts["memory_mib"] = round(locate(arguments.model).memory_bytes / 2**20)
    timed = runtimes(arguments.model)
    if arguments.json:
        print(to_json({**facts, "runtimes": [asdict(one) for one in timed]}))
        return 0
    for name, value in facts.items():
        print(f"{name:20} {value}")
    for one in timed:
        figures = one.note or f"{one.ms_per_frame:g} ms a frame of one session, RTF {one.rtf:g}"
        print(f"{'runtime':20} {one.runtime}: {figures}{' (used)' if one.used else ''}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from lbmodels.weights.manifest import available, sha256, weights_folder

    right = {}
    for card in available():
        for file, digest in card.sha256.items():
            path = weights_folder() / file
            right[file] = path.is_file() and sha256(path) == digest
    if arguments.json:
        print(to_json(right))
    for file, same in right.items() if not arguments.json else []:
        print(f"{'ok     ' if same else 'DAMAGED'} {file}")
    if not all(right.values()):
        raise LiveBandModelError("some weights are missing or differ from the manifest; reinstall them")
    return 0
