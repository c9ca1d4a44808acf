# SPDX-License-Identifier: GPL-3.0-or-later
"""The plug-in's C++ core, compiled once and kept: by the text of what goes into it."""

import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

SHIM = Path(__file__).resolve().parents[2] / "plugin_shim"
_PORT = ("segment", "conceal", "host_port", "port_wait")
_RING = (*_PORT, "audio_side", "offline")
_BRIDGE = (*_RING, "msgpack", "rundir", "connection", "asking", "health", "watcher", "bridge")
_PARTS = {
    "port": _PORT,
    "ring": _RING,
    "guards": (*_RING, "health"),
    "side": ("side_chain",),
    "messages": (*_PORT, "msgpack", "rundir"),
    "core": _BRIDGE,
    "chair": (*_BRIDGE, "spoken", "chair", "backstage"),
}
"""Files of the core; those of the seam come with `_seam`."""
_HOST = ("host/context.cpp", "host/module.cpp", "host/plug.cpp")
_UNIX = ("unix/channel", "unix/process", "unix/run_folder", "linux/peer")
_MEMORY = {
    "sealed": ("unix/mapping", "linux/shared_memory"),
    "unlinked": ("unix/mapping", "posix/shared_memory"),
    "windows": ("windows/names", "windows/security", "windows/shared_memory"),
}
_LINE = {"sealed": _UNIX, "unlinked": _UNIX}
_LINE["windows"] = ("windows/channel", "windows/peer", "windows/run_folder")
_FLAGS = [
    "-std=c++17",
    "-pthread",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wshadow",
    "-Wconversion",
    "-Icore",
    "-Iinclude",
    "-Itests",
]
_WINDOWS = ["-DUNICODE", "-D_UNICODE", "-DWIN32_LEAN_AND_MEAN", "-DNOMINMAX", "-D_WIN32_WINNT=0x0A00"]
WINDOWS_COMPILER = "x86_64-w64-mingw32-g++-posix"

Build = Callable[..., Path]


@functools.cache
def _compiler() -> str | None:
    return shutil.which("g++")


def _files(parts: str, form: str) -> tuple[str, ...]:
    """What a program is linked from beside its own source, with the seam as `form` has it."""
    if parts == "host":
        return _HOST
    seam = () if parts == "side" else _MEMORY[form]
    line = _LINE[form] if parts in ("messages", "core", "chair") else ()
    system = (f"core/system/{name}.cpp" for name in (*seam, *line))
    return (*(f"core/{name}.cpp" for name in _PARTS[parts]), *system)


@functools.cache
def _headers() -> bytes:
    found = sorted(
        [
            *SHIM.glob("core/**/*.h"),
            *SHIM.glob("include/**/*.h"),
            *SHIM.glob("tests/*.h"),
            *SHIM.glob("host/*.h"),
        ]
    )
    return b"".join(path.read_bytes() for path in found)


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=SHIM, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="session")
def build(request: pytest.FixtureRequest) -> Build:
    """A program from sources below plugin_shim; skips where there is no compiler.

    Its shared memory is as LIVEBAND_SHARED_MEMORY says, `sealed` or `unlinked`, or `windows`: a program for that system.
    """
    if _compiler() is None:
        pytest.skip("no C++ compiler here (Debian: g++)")
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("liveband-cpp")

    def compiled(compiler: str, source: str, flags: tuple[str, ...]) -> Path:
        text = b"\0".join(
            [(SHIM / source).read_bytes(), _headers(), " ".join((compiler, source, *_FLAGS, *flags)).encode()]
        )
        target = folder / f"{Path(source).stem}-{hashlib.sha256(text).hexdigest()[:16]}.o"
        if not target.exists():
            part = target.with_suffix(".part")
            _run([compiler, *_FLAGS, *flags, "-c", source, "-o", part])
            part.replace(target)
        return target

    def program(
        source: str,
        parts: str,
        flags: tuple[str, ...] = ("-O1",),
        libraries: tuple[str, ...] = (),
        form: str | None = None,
    ) -> Path:
        form = form or os.environ.get("LIVEBAND_SHARED_MEMORY") or "sealed"
        compiler, ending = _compiler() or "", ""
        if form == "windows":
            compiler, ending = WINDOWS_COMPILER, ".exe"
            flags, libraries = (*flags, *_WINDOWS), ("-static", "-ladvapi32", *libraries)
        objects = [compiled(compiler, one, flags) for one in (source, *_files(parts, form))]
        name = hashlib.sha256(" ".join([*map(str, objects), *flags, *libraries]).encode()).hexdigest()[:16]
        target = folder / f"{Path(source).stem}-{name}{ending}"
        if not target.exists():
            part = target.with_suffix(f".part{ending}")
            _run([compiler, "-pthread", *flags, *objects, *libraries, "-o", part])
            part.replace(target)
        return target

    return program


@pytest.fixture(params=["sealed", "unlinked"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Linux's way to share memory, and macOS's, which runs here as well: of the programs built and of the server."""
    monkeypatch.setenv("LIVEBAND_SHARED_MEMORY", request.param)
    return str(request.param)


@pytest.fixture(scope="session")
def plugin_build() -> Path:
    """The plug-in as `make plugin` builds it, or as LIVEBAND_PLUGIN_BUILD names it: holds VST3, LV2 and Standalone."""
    made = SHIM.parent / "build" / "plugin" / "juce" / "LiveBand_artefacts" / "Release"
    folder = Path(os.environ.get("LIVEBAND_PLUGIN_BUILD") or made).resolve()
    if not (folder / "VST3" / "LiveBand.vst3").is_dir():
        pytest.skip("the plug-in is not built: make plugin")
    return folder


@pytest.fixture(scope="session")
def external() -> Callable[[str], Path]:
    """The folder of what `make plugin` builds for Pd or SuperCollider; skips where it is not built."""
    made = SHIM.parent / "build" / "plugin" / "juce" / "LiveBand_artefacts" / "Release"
    release = Path(os.environ.get("LIVEBAND_PLUGIN_BUILD") or made).resolve()
    found = {"Pd": ("liveband~", "liveband~.pd_*"), "SuperCollider": ("LiveBand", "plugins/LiveBand.s*")}

    def folder(host: str) -> Path:
        name, binary = found[host]
        if not list((release / host / name).glob(binary)):
            pytest.skip(f"the external for {host} is not built: make plugin")
        return release / host / name

    return folder


@pytest.fixture(scope="session")
def build_host(build: Build, plugin_build: Path) -> Build:
    """A program that hosts the VST3, from a source below plugin_shim; skips where the VST3 headers are not."""
    sdk = Path("modules/juce_audio_processors/format_types/VST3_SDK")
    folders = (
        Path("/usr/share/juce"),
        Path("/usr/local/share/juce"),
        plugin_build.parents[2] / "_deps" / "juce-src",
    )
    found = next((folder / sdk for folder in folders if (folder / sdk).is_dir()), None)
    if found is None:
        pytest.skip("no VST3 headers here (Debian: juce-modules-source)")
    flags = ("-O1", "-DRELEASE", "-isystem", str(found), "-Wno-shadow", "-Wno-error")
    return functools.partial(build, parts="host", flags=flags, libraries=("-ldl",))


@pytest.fixture(scope="session")
def pictures() -> ModuleType:
    """The program that draws the window's pictures, as a module: its states and the host on a string."""
    spec = importlib.util.spec_from_file_location("liveband_pictures", SHIM / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shots(plugin_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host that draws the window, beside the plug-in; nothing of the user's own is read or written."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for folder in (plugin_build, plugin_build.parents[1], plugin_build.parent):
        if (folder / "liveband_shots").is_file():
            return folder / "liveband_shots"
    pytest.skip("the plug-in was built without -DLIVEBAND_SHOTS=ON")


@pytest.fixture(scope="session")
def screen() -> Iterator[str | None]:
    """The name of a display that nobody looks at; none if there is no program for it."""
    program = shutil.which("Xvfb")
    if program is None:
        yield None
        return
    server = subprocess.Popen(
        [program, "-displayfd", "1", "-screen", "0", "1280x1200x24", "-nolisten", "tcp", "-noreset"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    yield f":{server.stdout.readline().strip()}"
    server.terminate()
    server.wait()


@pytest.fixture
def display(screen: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A display nobody looks at."""
    if screen is None:
        pytest.skip("Xvfb is not installed: apt install xvfb")
    monkeypatch.setenv("DISPLAY", screen)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory where nobody is yet."""
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    return path


class Server:
    """A real server in its own process group; `environment` is what its front ends need to find it."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.run = folder
        self.environment = {
            **os.environ,
            "LIVEBAND_RUN": str(folder),
            "XDG_DATA_HOME": str(folder.parent / "data"),
            "LIVEBAND_CACHE": str(cache),
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self, model: str = "test:copy") -> None:
        quiet = ["--osc-port", "off", "--http-port", "off"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lbserver", "serve", "--json", "--model", model, *quiet],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), "the server did not start"

    def signal(self, number: signal.Signals, *, everyone: bool = False) -> None:
        """To the server, or to its workers as well."""
        assert self.process is not None
        if everyone:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def end(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate(timeout=60)
            self.process = None


@pytest.fixture(scope="session")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One calibration for all servers."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def server(tmp_path: Path, calibration: Path) -> Iterator[Server]:
    """A server that is not started yet."""
    one = Server(tmp_path / "run", calibration)
    yield one
    one.end()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, calibration: Path) -> Iterator[Callable[[str], Path]]:
    """Run directories of running servers, one for each model, started when first asked for."""
    running: dict[str, tuple[Path, subprocess.Popen[str]]] = {}

    def started(model: str) -> Path:
        if model not in running:
            run = tmp_path_factory.mktemp("band") / "run"
            command = [sys.executable, "-m", "lbserver", "serve", "--json", "--exact", "--workers", "1"]
            command += ["--osc-port", "off", "--http-port", "off", *(["--model", model] if model else [])]
            environment = {**os.environ, "LIVEBAND_RUN": str(run)}
            if model:  # the shipped weights' graph is made once for all
                environment["LIVEBAND_CACHE"] = str(calibration)
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            running[model] = run, process
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["pid"] == process.pid
        return running[model][0]

    yield started
    for _run, process in running.values():
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)


class Host:
    """The C++ host on a string."""

    def __init__(self, program: Path, server: Server, recording: Path) -> None:
        self.recording = recording
        self.process = subprocess.Popen(
            [program, "track-1", recording],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str) -> dict[str, Any]:
        """The answer to a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the host ended after {command!r}: {self.process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def until(self, state: str, patience_ms: int = 60000) -> dict[str, Any]:
        """The status once it is in a state."""
        answer = self.ask(f"until {state.replace(' ', '_')} {patience_ms}")
        assert answer["state"] == state, answer
        return answer

    def end(self) -> tuple[np.ndarray, np.ndarray]:
        """What was played and heard, [T] each."""
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            assert self.process.wait(timeout=60) == 0
        both = np.fromfile(self.recording, np.float32).reshape(2, -1)
        return both[0], both[1]


@pytest.fixture
def host(build: Build, server: Server, tmp_path: Path) -> Iterator[Host]:
    """A host whose bridge looks for `server`."""
    one = Host(build("tests/bridge_driver.cpp", "core"), server, tmp_path / "recording.f32")
    yield one
    if one.process.poll() is None:
        one.process.kill()
    one.process.wait()
