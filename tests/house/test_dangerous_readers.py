# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that runs or unpacks a stranger's bytes is called outside of the one place that guards it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("lbserver", "models/lbmodels", "benchmarks")
# The one reader of training checkpoints: stored zip entries only, weights_only=True.
CHECKPOINT_READER = "models/lbmodels/train/loop.py"
UNPICKLERS = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "jsonpickle",
}
MIDI_READERS = {"mido", "pretty_midi", "miditoolkit"}
RUNNERS = {"eval", "exec", "compile", "__import__"}
SAFE_LOADERS = {"SafeLoader", "CSafeLoader", "loader"}
PARSERS = {
    *("json.load", "json.loads", "tomllib.load", "tomllib.loads", "yaml.safe_load"),
    *("ElementTree.fromstring", "ElementTree.parse", "ElementTree.XML", "ElementTree.iterparse"),
}
"""They take any depth and NaN."""
PARSERS_BOUNDED = {"lbserver/files/documents.py", "models/lbmodels/documents.py"}
READS_WHOLE = {"soundfile.read", "sf.read", "mido.MidiFile", "pickle.load", "pickle.loads"}


def name_of(node: ast.expr) -> str:
    """`a.b.c` of nested attributes, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = name_of(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def says(call: ast.Call, keyword: str, value: object) -> bool:
    return any(
        k.arg == keyword and isinstance(k.value, ast.Constant) and k.value.value is value
        for k in call.keywords
    )


def offences(source: str, path: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            for name in names:
                # The checkpoint reader names pickle's error, and calls nothing of it.
                if name.split(".")[0] in UNPICKLERS and path != CHECKPOINT_READER:
                    yield f"{path}:{node.lineno}: imports {name}"
                # The server takes no MIDI files; data sets' are checked by lbmodels.data.midi_check.
                if name.split(".")[0] in MIDI_READERS and path.startswith("lbserver/"):
                    yield f"{path}:{node.lineno}: imports {name}"
            if names[0] in {"torch", "yaml", "numpy"} and any(alias.name == "load" for alias in node.names):
                yield f"{path}:{node.lineno}: imports load from {names[0]}"
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        at = f"{path}:{node.lineno}: {name}"
        if name in RUNNERS:
            yield at
        if name in {"torch.load", "torch.serialization.load"} and not (
            path == CHECKPOINT_READER and says(node, "weights_only", True)
        ):
            yield f"{at}: only {CHECKPOINT_READER} reads checkpoints, with weights_only=True"
        if name in {"torch.jit.load", "torch.package.PackageImporter", "torch.hub.load"}:
            yield at
        if name in {"np.load", "numpy.load"} and not says(node, "allow_pickle", False):
            yield f"{at} without allow_pickle=False"
        if name.startswith("yaml.") and name.endswith("load") and name != "yaml.safe_load":
            loaders = [k.value for k in node.keywords if k.arg == "Loader"]
            if not (name == "yaml.load" and loaders and name_of(loaders[0]).split(".")[-1] in SAFE_LOADERS):
                yield f"{at} without a safe loader"
        own = node.args and isinstance(node.args[0], ast.Call) and name_of(node.args[0].func) == "json.dumps"
        if name in PARSERS and path not in PARSERS_BOUNDED and not own:
            yield f"{at}: documents.py reads it with depth, length and numbers bounded"
        if name in READS_WHOLE and path.startswith("lbserver/"):
            yield f"{at}: read in blocks"


def test_no_reader_of_strangers_bytes_is_left_unguarded() -> None:
    found: list[str] = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            found += offences(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import shelve as s",
        "eval('1')",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=True)",
        "from torch import load",
        "torch.jit.load(path)",
        "np.load(path)",
        "numpy.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "yaml.safe_load(text)",
        "json.loads(text)",
        "tomllib.load(file)",
        "ElementTree.fromstring(text)",
        "soundfile.read(path)",
        "mido.MidiFile(path)",
        "import mido",
    ],
)
def test_the_check_sees(line: str) -> None:
    """A check that passes everything passes everything."""
    assert list(offences(line, "lbserver/x.py"))


def test_the_check_lets_pass_what_is_guarded() -> None:
    lines = "torch.load(p, weights_only=True)\nnp.load(p, allow_pickle=False)\nread_json(t)\nmodel.eval()\n"
    assert not list(offences(lines, CHECKPOINT_READER))
    assert list(offences("torch.load(p)", CHECKPOINT_READER))


def test_only_a_safe_loader_reads_metadata() -> None:
    """`loader` in slakh.py is one of yaml's safe ones; the check above trusts the name."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if "Loader=loader" in text:
                assert 'loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)' in text, path
