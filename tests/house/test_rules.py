# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of CONTRIBUTING.md that no linter keeps. A rule without a check is a wish."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPDX = "# SPDX-License-Identifier: GPL-3.0-or-later"
CODE_SUFFIXES = {".py", ".toml", ".md", ".yaml", ".yml", ".txt", ".cfg", ".sh", ".h", ".cpp", ""}
LARGEST_FILE_BYTES = 40 * 2**20
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
# Spelled in halves, so that this file passes its own rule.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w./{$-])/(?:work|root|home/\w+)/"),
    "a mark of unfinished work": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b"),
    "a registry's host": re.compile("py" + r"pi\.org|python" + r"hosted|download\.py" + "torch"),
}


def tracked() -> list[Path]:
    """Files git tracks, or all plain files of an unpacked archive; those deleted but not yet committed are left out."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    names = [name for name in listing.stdout.decode().split("\0") if name]
    return [path for path in (ROOT / name for name in names) if path.is_file()]


def texts() -> list[tuple[str, str]]:
    return [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for path in tracked()
        if path.suffix in CODE_SUFFIXES and path.name != "LICENSE" and path.stat().st_size < 2**20
    ]


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def nodes(path: Path, pattern: str) -> Iterator[ast.AST]:
    """What a module is made of, where it has what is looked for at all: parsing takes its time."""
    text = path.read_text(encoding="utf-8")
    if re.search(pattern, text):
        yield from ast.walk(ast.parse(text))


@pytest.mark.parametrize("what", FORBIDDEN)
def test_text_files_are_free_of(what: str) -> None:
    """A path or mark that only its author understands must not reach users."""
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


def test_every_python_file_names_its_licence() -> None:
    missing = [
        str(path.relative_to(ROOT))
        for path in python_files()
        if path.stat().st_size and path.read_text(encoding="utf-8").splitlines()[0] != SPDX
    ]
    assert not missing, f"first line is not {SPDX!r}: {missing}"


def test_module_names_are_nouns_that_say_something() -> None:
    vague = [
        str(path.relative_to(ROOT)) for path in python_files() if VAGUE_NAMES & set(path.stem.split("_"))
    ]
    assert not vague


def test_models_is_never_a_package() -> None:
    """`import models.lbmodels` works by accident from the root and makes second copies of every class."""
    assert not (ROOT / "models" / "__init__.py").exists()
    for path in python_files():
        for node in nodes(path, r"\bmodels\b"):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names.append(node.module or "")
            assert not [name for name in names if name.split(".")[0] == "models"], path


def test_only_backends_imports_models_and_torch_by_name() -> None:
    """import-linter does not see importlib.import_module("torch"); this does."""
    dynamic = re.compile(r"(?:import_module|__import__)\(\s*f?[\"'](?:torch|lbmodels)\b")
    found = [
        path.name
        for path in (ROOT / "lbserver").rglob("*.py")
        if path.name != "backends.py" and dynamic.search(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_children_and_libraries_go_through_their_doors() -> None:
    """A child without -P runs what lies in the current folder; numba and matplotlib read settings there."""
    child = re.compile(r"\[sys\.executable,(?! \"-P\")|\(sys\.executable,")
    found = []
    for package in ("lbserver", "models/lbmodels"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            draws = re.search(r"^ +(?:import|from) matplotlib", text, re.MULTILINE)
            if (
                child.search(text)
                or (draws and "prepare_drawing()" not in text)
                or (re.search(r"^(?:import|from) numba", text, re.MULTILINE) and path.name != "compiled.py")
            ):
                found.append(str(path.relative_to(ROOT)))
    assert not found


def test_no_check_waits_for_a_child_that_may_never_end() -> None:
    """`with Popen(...)` waits on the way out, so a failing check inside it hangs the suite: `running` kills."""
    found = [
        f"{path.relative_to(ROOT)}:{item.lineno}"
        for path in python_files()
        for node in nodes(path, "Popen")
        if isinstance(node, ast.With | ast.AsyncWith)
        for item in (each.context_expr for each in node.items)
        if isinstance(item, ast.Call) and ast.unparse(item.func).endswith("Popen")
    ]
    assert not found, found


def test_soundfile_is_given_no_text_for_a_name() -> None:
    """It encodes a text as UTF-8: a name whose bytes are none is a traceback. os.fsencode gives the name itself."""
    named = re.compile(r"soundfile\.(?:SoundFile|read|write|info)\(\s*(?:str\(|path\b|folder\b)")
    found = [
        str(path.relative_to(ROOT))
        for package in ("lbserver", "models/lbmodels")
        for path in (ROOT / package).rglob("*.py")
        if named.search(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_json_is_printed_without_nan() -> None:
    """json.dumps writes NaN where a number is none, and no other reader takes that: `plain_json` prints."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("lbserver", "models/lbmodels")
        for path in (ROOT / package).rglob("*.py")
        for node in nodes(path, r"json\.dumps\(")
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and "json.dumps(" in ast.unparse(node)
    ]
    assert not found


def test_tests_are_not_packages() -> None:
    """An __init__.py under tests/ changes import names in importlib mode and mirrors the packages' names."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_tracked_files_are_small_enough_to_clone() -> None:
    large = {str(path): path.stat().st_size for path in tracked() if path.stat().st_size > LARGEST_FILE_BYTES}
    assert not large


def test_every_toml_file_parses() -> None:
    for path in tracked():
        if path.suffix == ".toml":
            tomllib.loads(path.read_text(encoding="utf-8"))


def test_every_direct_dependency_is_pinned() -> None:
    """`make` installs with constraints.txt alone: a dependency left out of it would float."""

    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    pins = {
        normal(line.split("==")[0])
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {normal(re.split(r"[<>=!~\[; ]", requirement)[0]) for requirement in wanted} - {"liveband"}
    assert names <= pins, f"not in constraints.txt: {sorted(names - pins)}"


def test_the_wall_clock_is_asked_for_dates_only() -> None:
    """A clock that is set, or a summer that ends, must not let anything time out: time.monotonic measures."""
    # Since when it runs; the time tags of bundles; a counter that must be above that of an earlier life.
    dates = {"server/serve.py": 1, "transports/osc/server.py": 1, "client/osc.py": 1}
    package = ROOT / "lbserver"
    found = {
        path.relative_to(package).as_posix(): count
        for path in package.rglob("*.py")
        if (
            count := len(
                re.findall(r"\btime\.time(?:_ns)?\(|\bdatetime\.now\(", path.read_text(encoding="utf-8"))
            )
        )
    }
    assert {name: count for name, count in found.items() if count > dates.get(name, 0)} == {}
