# SPDX-License-Identifier: GPL-3.0-or-later
"""What liveband talks to: the server, ports, audio devices, the plug-in's folders."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lbserver.commands.checks.finding import Finding, bad, ok, warning
from lbserver.commands.loaded_models import model_words
from lbserver.host.listeners import Listener
from lbserver.host.rundir import ServerInfo
from lbserver.host.sound_card import Devices
from lbserver.protocol import MAJOR


def check_run_directory(path: Path, *, exists: bool, error: str = "", log: Path | None = None) -> Finding:
    """Where server and clients meet; `error` says why it cannot be trusted, `log` is the last server's log."""
    data = {"path": str(path), "log": None if log is None else str(log)}
    if error:
        return bad("server", error, advice="until then neither server nor plug-ins start", data=data)
    return ok(
        "server",
        f"run directory {path}{'' if exists else ' (made when a server starts)'}",
        advice="" if log is None else f"the server's log, to attach to a report: {log}",
        data=data,
    )


def check_server(
    server: ServerInfo | None, *, sessions: Mapping[str, Mapping[str, Any]] | None = None, error: str = ""
) -> list[Finding]:
    """The server that runs here, what its sessions say, or the error that came from asking it."""
    if server is None:
        return [
            ok(
                "server",
                "no server runs",
                advice="plug-ins and patches need one: liveband serve",
                data={"running": False},
            )
        ]
    facts = {"running": True, "pid": server.pid, "osc_port": server.osc_port, "http_port": server.http_port}
    if server.major != MAJOR:
        return [
            bad(
                "server",
                f"the server (pid {server.pid}) speaks protocol {server.major}, this program {MAJOR}",
                advice=f"it is of another version: stop it (kill {server.pid}) and start this one: liveband serve",
                data=facts,
            )
        ]
    if error:
        return [
            bad(
                "server",
                f"the server (pid {server.pid}) does not answer: {error}",
                advice=f"stop it (kill {server.pid}), start it again, and look into its log",
                data=facts | {"error": error},
            )
        ]
    count = len(sessions or {})
    found = [
        ok(
            "server",
            f"a server runs (pid {server.pid}) and answers; {count} session{'s' if count != 1 else ''}",
            data=facts | {"sessions": count},
        )
    ]
    for name, status in (sessions or {}).items():
        if status.get("reason"):
            found.append(
                warning(
                    "server",
                    f"session {name} is {status.get('state')}: {status['reason']}",
                    advice="watch it: liveband top",
                    data={"session": name, "state": status.get("state"), "reason": status["reason"]},
                )
            )
    return found


def check_loaded(models: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Models that the server holds, as `loaded_models` has them, with the memory of their workers."""
    return [
        ok("server", f"it holds {model_words(name, told)}", data={"model": name, **told})
        for name, told in models.items()
    ]


def check_port(
    use: str, kind: str, port: int, owner: Listener | None, server: ServerInfo | None, option: str
) -> Finding:
    """One default port. `owner` None: it is free."""
    data = {"use": use, "kind": kind, "port": port}
    name = f"{kind.upper()} port {port} ({use})"
    if owner is None:
        return ok("server", f"{name} is free", data=data)
    if server is not None and owner.pid == server.pid:
        return ok("server", f"{name} is the server's", data=data)
    return Finding(
        topic="server",
        level="warning" if server is not None else "bad",
        text=f"{name} is taken by {owner}",
        advice=f"stop that program, or choose another port: liveband serve {option} 0 takes any that is free",
        data=data | {"pid": owner.pid, "program": owner.program},
    )


PORTAUDIO_ADVICE = {
    "linux": "install PortAudio: sudo apt install libportaudio2 (Fedora: dnf install portaudio, Arch: pacman -S portaudio)",
    "darwin": "reinstall sounddevice, it brings PortAudio: pip install --force-reinstall sounddevice",
    "win32": "reinstall sounddevice, it brings PortAudio: pip install --force-reinstall sounddevice",
}


def check_devices(found: Devices | None, platform: str, error: str = "") -> Finding:
    """Audio devices for `liveband jam`; `error`: why they cannot be listed. None: sounddevice is not there."""
    if found is None and not error:
        return ok(
            "audio",
            "audio devices were not looked at (sounddevice is not installed)",
            advice="only `liveband jam` needs them: pip install 'liveband[jam]'",
        )
    if "PortAudio library not found" in error:
        return warning(
            "audio",
            "sounddevice is installed, but the PortAudio library is not: `liveband jam` cannot play",
            advice=PORTAUDIO_ADVICE.get(platform, PORTAUDIO_ADVICE["linux"]),
        )
    if found is None or error:
        return warning(
            "audio",
            f"audio devices cannot be listed: {error}",
            advice="is a sound server running (PipeWire, PulseAudio, JACK)? plug-ins do not need this, only `liveband jam`",
        )
    inputs = [device for device in found.devices if device.inputs]
    outputs = [device for device in found.devices if device.outputs]
    data = {"inputs": [device.name for device in inputs], "outputs": [device.name for device in outputs]}
    if not inputs or not outputs:
        lacking = " and no ".join(kind for kind, some in (("input", inputs), ("output", outputs)) if not some)
        return warning(
            "audio",
            f"no {lacking} device",
            advice="connect an interface or a microphone; only `liveband jam` needs it, plug-ins use the DAW's",
            data=data,
        )
    names = {device.index: device.name for device in found.devices}
    return ok(
        "audio",
        f"{len(inputs)} input and {len(outputs)} output devices; default input "
        f"{names.get(found.default_input, 'none')}, output {names.get(found.default_output, 'none')}",
        advice="see them all: liveband jam --list",
        data=data,
    )


def plugin_folders(platform: str, home: Path, environment: Mapping[str, str]) -> list[Path]:
    """Where hosts look for plug-ins, as the makers of VST3, LV2 and AU say."""
    if platform == "darwin":
        roots = (home / "Library/Audio/Plug-Ins", Path("/Library/Audio/Plug-Ins"))
        return [root / kind for root in roots for kind in ("VST3", "Components", "LV2")]
    if platform == "win32":
        local, shared, own = (
            environment.get(name) for name in ("LOCALAPPDATA", "COMMONPROGRAMFILES", "APPDATA")
        )
        return [
            *([Path(local) / "Programs" / "Common" / "VST3"] if local else []),
            *([Path(shared) / "VST3", Path(shared) / "LV2"] if shared else []),
            *([Path(own) / "LV2"] if own else []),
        ]
    extra = [Path(entry) for entry in environment.get("LV2_PATH", "").split(":") if entry]
    system = (Path("/usr/lib"), Path("/usr/local/lib"))
    return [
        home / ".vst3",
        *(root / "vst3" for root in system),
        home / ".lv2",
        *(root / "lv2" for root in system),
        *extra,
    ]


_PLUGIN = re.compile(r"liveband.*\.(vst3|component|lv2)", re.IGNORECASE)


def check_plugin(entries: Mapping[Path, Sequence[str]]) -> Finding:
    """`entries`: the names in each folder that exists."""
    found = [
        str(folder / name) for folder, names in entries.items() for name in names if _PLUGIN.fullmatch(name)
    ]
    if found:
        return ok(
            "plug-in",
            f"installed: {', '.join(sorted(found))}",
            advice="your DAW does not show it? let it scan for plug-ins again",
            data={"installed": sorted(found)},
        )
    return warning(
        "plug-in",
        "the plug-in is not in any folder where hosts look",
        advice="only a DAW needs it; without it there are `liveband jam`, OSC, and `liveband bounce`",
        data={"installed": [], "folders": [str(folder) for folder in entries]},
    )
