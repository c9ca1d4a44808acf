# SPDX-License-Identifier: GPL-3.0-or-later
"""An LV2 host of a few lines that opens the plug-in's window, for what the window tells it of ports. Needs a display.

Arguments: the bundle's binary, URI of the plug-in, default of each control port by its number as JSON. Commands on
standard input, one a line: `port NUMBER VALUE` (the host moves it), `keep` and `recall` (a saved state). Each is answered
with a list of [port, value], JSON: what the window wrote when its turn came. The host obeys nothing by itself.
"""

import ctypes
import json
import sys
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_double, c_float, c_int, c_size_t, c_uint32, c_void_p
from typing import Any

Map = CFUNCTYPE(c_uint32, c_void_p, c_char_p)
Store = CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p, c_size_t, c_uint32, c_uint32)
Retrieve = CFUNCTYPE(c_void_p, c_void_p, c_uint32, POINTER(c_size_t), POINTER(c_uint32), POINTER(c_uint32))
Write = CFUNCTYPE(None, c_void_p, c_uint32, c_uint32, c_uint32, POINTER(c_float))
Extension = CFUNCTYPE(c_void_p, c_char_p)


class Feature(ctypes.Structure):
    _fields_ = [("uri", c_char_p), ("data", c_void_p)]


Features = POINTER(POINTER(Feature))


class Plugin(ctypes.Structure):
    _fields_ = [
        ("uri", c_char_p),
        ("instantiate", CFUNCTYPE(c_void_p, c_void_p, c_double, c_char_p, Features)),
        ("connect", CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)),
        ("activate", CFUNCTYPE(None, c_void_p)),
        ("run", CFUNCTYPE(None, c_void_p, c_uint32)),
        ("deactivate", CFUNCTYPE(None, c_void_p)),
        ("cleanup", CFUNCTYPE(None, c_void_p)),
        ("extension", Extension),
    ]


Open = CFUNCTYPE(c_void_p, c_void_p, c_char_p, c_char_p, Write, c_void_p, POINTER(c_void_p), Features)


class Window(ctypes.Structure):
    _fields_ = [
        ("uri", c_char_p),
        ("open", Open),
        ("close", CFUNCTYPE(None, c_void_p)),
        ("event", c_void_p),
        ("extension", Extension),
    ]


class Mapping(ctypes.Structure):
    _fields_ = [("handle", c_void_p), ("map", Map)]


class States(ctypes.Structure):
    _fields_ = [
        ("save", CFUNCTYPE(c_int, c_void_p, Store, c_void_p, c_uint32, Features)),
        ("restore", CFUNCTYPE(c_int, c_void_p, Retrieve, c_void_p, c_uint32, Features)),
    ]


class Idling(ctypes.Structure):
    _fields_ = [("idle", CFUNCTYPE(c_int, c_void_p))]


def features(data: dict[str, Any]) -> Any:
    """A null-terminated array of features, by URI."""
    made = [ctypes.pointer(Feature(uri.encode(), of)) for uri, of in data.items()]
    return (POINTER(Feature) * (len(made) + 1))(*made)


def root_window() -> int:
    """The display's, for a parent."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = c_void_p
    x11.XDefaultRootWindow.argtypes = [c_void_p]
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    display = x11.XOpenDisplay(None)
    assert display, "no display"
    return int(x11.XDefaultRootWindow(display))


class Host:
    """The plug-in with its window, as a host holds them."""

    def __init__(self, binary: str, uri: str, defaults: dict[int, float]) -> None:
        library = ctypes.CDLL(binary)
        library.lv2_descriptor.restype = POINTER(Plugin)
        library.lv2ui_descriptor.restype = POINTER(Window)
        self.plugin = library.lv2_descriptor(0).contents
        self.window = library.lv2ui_descriptor(0).contents
        self.names: list[bytes] = []
        self.map = Mapping(None, Map(self.number))
        offered = features({"http://lv2plug.in/ns/ext/urid#map": ctypes.addressof(self.map)})
        self.handle = self.plugin.instantiate(ctypes.byref(self.plugin), 48000.0, b"", offered)
        self.controls = {port: c_float(value) for port, value in defaults.items()}
        for port, value in self.controls.items():
            self.plugin.connect(self.handle, port, ctypes.addressof(value))
        self.plugin.activate(self.handle)
        given = {
            "http://lv2plug.in/ns/ext/instance-access": self.handle,
            "http://lv2plug.in/ns/extensions/ui#parent": root_window(),
        }
        self.written: list[tuple[int, float]] = []
        self.write = Write(lambda _, port, _bytes, _type, value: self.written.append((port, value[0])))
        self.shown = self.window.open(
            ctypes.byref(self.window), uri.encode(), b"", self.write, None, c_void_p(), features(given)
        )
        assert self.shown, "no window"
        of = self.window.extension(b"http://lv2plug.in/ns/extensions/ui#idleInterface")
        self.idling = Idling.from_address(of)
        self.states = States.from_address(self.plugin.extension(b"http://lv2plug.in/ns/ext/state#interface"))
        self.kept: dict[int, tuple[Any, int, int]] = {}

    def number(self, _handle: int | None, name: bytes) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name) + 1

    def keep(self) -> None:
        def store(_: Any, key: int, value: int, size: int, kind: int, flags: int) -> int:
            self.kept[key] = ctypes.create_string_buffer(ctypes.string_at(value, size), size), kind, flags
            return 0

        assert self.states.save(self.handle, Store(store), None, 0, None) == 0

    def recall(self) -> None:
        def retrieve(_: Any, key: int, size: Any, kind: Any, flags: Any) -> int:
            data, kind[0], flags[0] = self.kept[key]
            size[0] = len(data)
            return ctypes.addressof(data)

        assert self.states.restore(self.handle, Retrieve(retrieve), None, 0, None) == 0

    def turn(self) -> list[tuple[int, float]]:
        """A block of no samples, then the window's turn; what it wrote."""
        self.written.clear()
        self.plugin.run(self.handle, 0)
        self.idling.idle(self.shown)
        return self.written

    def close(self) -> None:
        self.window.close(self.shown)
        self.plugin.deactivate(self.handle)
        self.plugin.cleanup(self.handle)


def main() -> None:
    binary, uri, defaults = sys.argv[1:]
    host = Host(binary, uri, {int(port): value for port, value in json.loads(defaults).items()})
    for line in sys.stdin:
        match line.split():
            case ["port", port, value]:
                host.controls[int(port)].value = float(value)
            case ["keep"]:
                host.keep()
            case ["recall"]:
                host.recall()
        print(json.dumps(host.turn()), flush=True)
    host.close()


if __name__ == "__main__":
    main()
