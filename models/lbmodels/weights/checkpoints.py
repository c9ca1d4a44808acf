# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs' torch checkpoints (.ckpt, .pt, .pth) and safetensors, read without running anything that is in them.

A torch checkpoint is a zip archive of stored entries: `*/data.pkl`, a pickle that says what is where, and `*/data/N`, the
numbers. The pickle is interpreted here, instruction by instruction: it can make tables, lists, texts, numbers and
tensors. Whatever else it names is refused, or with `opaque` becomes an empty stand-in; nothing is imported or called.
"""

from __future__ import annotations

import math
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.weights import checks
from lbmodels.weights.archives import check_stored

MOST_PICKLE_BYTES = 1 << 22
MOST_OPCODES = 1 << 20
"""An empty table is one byte of pickle and 64 of memory."""
MOST_ENTRIES_FILLED = 1 << 20
"""Of all tables together: a few bytes fill another one from the same list."""
MOST_DEPTH = 64
MOST_KEY_ITEMS = 8
MOST_INTEGER_BITS = 60
"""Of keys: below, no two integers have one hash."""
MOST_VIEWS = 8
"""How many times its own size a storage may be read as tensors, beyond `_FREE_VIEW_NUMBERS`."""
MOST_DIMENSIONS = 8
MOST_CHECKPOINT_BYTES = 1 << 36

_TYPES: Mapping[str, torch.dtype] = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
_FREE_VIEW_NUMBERS = 1 << 20
_DTYPES = frozenset(
    ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128")
)  # fmt: skip
_REBUILD = {("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")}
_PARAMETER = ("torch._utils", "_rebuild_parameter")
_TABLE = ("collections", "OrderedDict")
_INERT = {("torch", "Size"), ("torch", "device"), ("collections", "defaultdict"), ("collections", "Counter")}


@dataclass(frozen=True, slots=True)
class Name:
    """Something that the pickle names, as (module, name). It stays a name."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """What the pickle would have made of something that we do not run."""

    made_of: Name


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor that is still in the archive: where its numbers lie, in elements; `count` are its storage's."""

    dtype: torch.dtype
    key: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class _Storage:
    dtype: torch.dtype
    key: str
    count: int


class Checkpoint:
    """A checkpoint's tables. `root` holds `Stored` where tensors are; `tensors` fetches them."""

    def __init__(self, path: Path, root: Any, loaded: Mapping[str, Tensor] | None, prefix: str = "") -> None:
        self.path, self.root, self._loaded, self._prefix = path, root, loaded, prefix

    def tensors(self, wanted: Mapping[str, Stored]) -> Iterator[tuple[str, Tensor]]:
        """Names and numbers, each of its own memory, storage by storage, so that each is read once.

        Raises:
            LiveBandModelError: the archive's numbers are damaged, or tensors are many times as large as their storage.
        """
        if self._loaded is not None:
            yield from ((name, self._loaded[stored.key]) for name, stored in wanted.items())
            return
        try:
            with zipfile.ZipFile(self.path) as archive:
                for key, names in self._by_storage(wanted).items():
                    data = bytearray(archive.read(f"{self._prefix}data/{key}"))
                    for name in names:
                        yield name, _numbers(data, wanted[name])
        except LiveBandModelError:  # of who takes the tensors as well
            raise
        except (*_ARCHIVE_ERRORS, KeyError) as error:
            raise _damaged(self.path, error) from None

    def _by_storage(self, wanted: Mapping[str, Stored]) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        numbers: dict[str, int] = {}
        for name, stored in wanted.items():
            names.setdefault(stored.key, []).append(name)
            numbers[stored.key] = numbers.get(stored.key, 0) + math.prod(stored.shape)
            if numbers[stored.key] > max(MOST_VIEWS * stored.count, _FREE_VIEW_NUMBERS):
                raise LiveBandModelError(
                    f"checkpoint {self.path}: its tensors read the {stored.count} numbers of data/{stored.key[:80]} "
                    f"more than {MOST_VIEWS} times over"
                )
        return names


def _numbers(data: bytearray, stored: Stored) -> Tensor:
    if not data:
        return torch.empty(stored.shape, dtype=stored.dtype)
    flat = torch.frombuffer(data, dtype=stored.dtype)
    return flat.as_strided(stored.shape, stored.stride, stored.offset).clone()


def open_checkpoint(path: Path, *, opaque: bool = False) -> Checkpoint:
    """A torch archive or a safetensors file.

    Args:
        path: of the file.
        opaque: whether what is neither table nor tensor becomes a stand-in rather than an error.

    Raises:
        LiveBandModelError: not there, neither of both, damaged, or it names something that is code.
    """
    if not path.is_file():
        raise LiveBandModelError(f"checkpoint not found: {path}")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise LiveBandModelError(f"checkpoint {path} cannot be read: {error.strerror or error}") from None
    if size > MOST_CHECKPOINT_BYTES:
        raise LiveBandModelError(f"checkpoint {path} is larger than {MOST_CHECKPOINT_BYTES >> 30} GiB")
    if path.suffix == ".safetensors":
        return _open_safetensors(path)
    if start != b"PK\x03\x04":
        kind = "empty" if not size else "no zip archive, as torch has written since version 1.6"
        raise LiveBandModelError(
            f"checkpoint {path} is {kind}; accepted are .ckpt, .pt, .pth and .safetensors files"
        )
    return _open_archive(path, opaque)


def tensors_under(table: Any, prefixes: tuple[str, ...]) -> dict[str, Stored]:
    """The tensors of a state dict whose names start with one of `prefixes`, which is taken away: the first that fits.

    Raises:
        LiveBandModelError: two names become one.
    """
    found: dict[str, Stored] = {}
    for name, value in table.items() if isinstance(table, dict) else ():
        prefix = next((one for one in prefixes if isinstance(name, str) and name.startswith(one)), None)
        if prefix is None or not isinstance(value, Stored):
            continue
        short = name[len(prefix) :]
        if short in found:
            raise LiveBandModelError(f"tensor {short[:80]!r} is in it twice, under two prefixes")
        found[short] = value
    return found


_ARCHIVE_ERRORS = (
    zipfile.BadZipFile, OSError, EOFError, ValueError, OverflowError, RuntimeError
)  # fmt: skip
"""Of damaged archives: RuntimeError of encrypted ones, and with it NotImplementedError of patched ones; of torch, of views."""


def _damaged(path: Path, error: Exception) -> LiveBandModelError:
    return LiveBandModelError(f"checkpoint {path} is damaged: {' '.join(str(error).split())[:160]}")


def _open_safetensors(path: Path) -> Checkpoint:
    data = checks.read_bytes(path)
    checks.check(data, f"checkpoint {path}")
    try:
        loaded = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise _damaged(path, error) from None
    root = {
        name: Stored(tensor.dtype, name, 0, tuple(tensor.shape), tuple(tensor.stride()), tensor.numel())
        for name, tensor in loaded.items()
    }
    return Checkpoint(path, {"state_dict": root}, loaded)


def _open_archive(path: Path, opaque: bool) -> Checkpoint:
    check_stored(path)
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = _entries(path, archive)
            pickles = [name for name in sizes if name.endswith("/data.pkl") or name == "data.pkl"]
            if len(pickles) != 1:
                raise LiveBandModelError(
                    f"{path} is a zip archive but no torch checkpoint: {len(pickles)} data.pkl in it"
                )
            prefix = pickles[0].removesuffix("data.pkl")
            if sizes[pickles[0]] > MOST_PICKLE_BYTES:
                raise LiveBandModelError(
                    f"checkpoint {path}: its data.pkl has {sizes[pickles[0]]} bytes; accepted are up to {MOST_PICKLE_BYTES}"
                )
            order = archive.read(f"{prefix}byteorder") if f"{prefix}byteorder" in sizes else b"little"
            if order != b"little":
                raise LiveBandModelError(f"checkpoint {path}: its numbers are not little-endian")
            root = _Machine(path, sizes, prefix, opaque).run(archive.read(pickles[0]))
    except LiveBandModelError:
        raise
    except _ARCHIVE_ERRORS as error:
        raise _damaged(path, error) from None
    _check_depth(path, root)
    return Checkpoint(path, root, None, prefix)


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[str, int]:
    """Sizes by name; no name twice, none that leads out of the archive."""
    sizes: dict[str, int] = {}
    for entry in archive.infolist():
        name = entry.filename
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise LiveBandModelError(f"checkpoint {path}: entry {name[:80]!r} leads out of the archive")
        if name in sizes:
            raise LiveBandModelError(f"checkpoint {path}: entry {name[:80]!r} is in it twice")
        sizes[name] = entry.file_size
    return sizes


def _check_depth(path: Path, root: Any) -> None:
    """Level by level, each table once, so that neither depth nor tables within themselves cost anything."""
    level, seen = [root], {id(root)}
    for _ in range(MOST_DEPTH):
        below = []
        for item in level:
            values = (
                item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else ()
            )
            for value in values:
                if isinstance(value, dict | list | tuple) and id(value) not in seen:
                    seen.add(id(value))
                    below.append(value)
        level = below
        if not level:
            return
    raise _too_deep(path)


def _too_deep(path: Path) -> LiveBandModelError:
    return LiveBandModelError(f"checkpoint {path}: nested deeper than {MOST_DEPTH}")


_MARK = object()


class _Machine:
    """The part of pickle's stack machine that tables and tensors need. What it does not know it refuses."""

    def __init__(self, path: Path, sizes: Mapping[str, int], prefix: str, opaque: bool) -> None:
        self.path, self.sizes, self.prefix, self.opaque = path, sizes, prefix, opaque
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.opcodes = self.filled = 0
        self.nested: dict[int, tuple[tuple[Any, ...], int]] = {}
        """Tuples that hold tuples, by identity, kept so that it stays theirs, and how deep they are."""

    def run(self, data: bytes) -> Any:
        try:
            for opcode, argument, _place in pickletools.genops(data):
                self.opcodes += 1
                if self.opcodes > MOST_OPCODES:
                    raise ValueError(f"its data.pkl has more than {MOST_OPCODES} steps")
                if opcode.name == "STOP":
                    (result,) = self.stack
                    return result
                self._do(opcode.name, argument)
        except LiveBandModelError:
            raise
        except (
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise _damaged(self.path, error) from None
        raise _damaged(self.path, ValueError("its data.pkl has no end"))

    def refuse(self, what: str) -> LiveBandModelError:
        return LiveBandModelError(
            f"checkpoint {self.path} holds more than tensors, tables, texts and numbers: {what}. Nothing of it was run"
        )

    def _do(self, name: str, argument: Any) -> None:
        stack, memo = self.stack, self.memo
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in _LITERALS:
            stack.append(argument)
        elif name in ("PROTO", "FRAME"):
            pass
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            if int(argument) >= 2**32:
                raise ValueError("a memo's place beyond 32 bits")
            memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[int(argument)])
        elif name == "POP":
            stack.pop()
        elif name in ("TUPLE", "LIST", "DICT"):
            items = self._marked()
            stack.append(
                self._tuple(items) if name == "TUPLE" else items if name == "LIST" else self._fill({}, items)
            )
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [self._tuple(stack[-count:])]
        elif name in ("APPEND", "APPENDS"):
            items = self._marked() if name == "APPENDS" else [stack.pop()]
            if not isinstance(stack[-1], Opaque):
                stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._marked() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            if not isinstance(stack[-1], Opaque):
                self._fill(stack[-1], items)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            module, symbol = argument.split(" ", 1) if name == "GLOBAL" else (stack.pop(-2), stack.pop())
            stack.append(self._name(module, symbol))
        elif name == "BINPERSID":
            stack.append(self._storage(stack.pop()))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = stack.pop()
            stack.append(self._make(stack.pop(), arguments))
        elif name == "BUILD":  # attributes, as a state dict's `_metadata`
            stack.pop()
        else:
            raise self.refuse(f"its data.pkl uses {name}")

    def _marked(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("no mark")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def _tuple(self, items: list[Any]) -> tuple[Any, ...]:
        """Raises LiveBandModelError: tuples within tuples too deep, as soon as they are, before anything recurses in them."""
        made = tuple(items)
        inner = [self.nested.get(id(item), (item, 1))[1] for item in made if type(item) is tuple]
        if inner:
            depth = 1 + max(inner)
            if depth > MOST_DEPTH:
                raise _too_deep(self.path)
            self.nested[id(made)] = made, depth
        return made

    def _fill(self, table: Any, items: list[Any]) -> Any:
        if not isinstance(table, dict) or len(items) % 2:
            raise ValueError("no table")
        self.filled += len(items) // 2
        if self.filled > MOST_ENTRIES_FILLED:
            raise ValueError(f"its tables have more than {MOST_ENTRIES_FILLED} entries")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not _is_key(key):  # before it is hashed
                raise ValueError("a table's key is no text, no number and no short tuple of those")
            if key in table:
                raise LiveBandModelError(f"checkpoint {self.path}: {str(key)[:80]!r} is in it twice")
            table[key] = value
        return table

    def _name(self, module: Any, symbol: Any) -> Name:
        if type(module) is not str or type(symbol) is not str:
            raise ValueError("a name that is no text")
        known = {*_REBUILD, _PARAMETER, _TABLE, *_INERT}
        storage = module in ("torch", "torch.storage") and symbol in _TYPES
        dtype = module == "torch" and symbol in _DTYPES
        if not self.opaque and not storage and not dtype and (module, symbol) not in known:
            raise self.refuse(f"{module[:80]}.{symbol[:80]} is named, which is code")
        return Name(module, symbol)

    def _storage(self, told: Any) -> Any:
        kind, name, key, _place, count = told
        if kind != "storage" or name.name not in _TYPES or not isinstance(key, str) or type(count) is not int:
            raise ValueError("a storage of no known kind")
        dtype = _TYPES[name.name]
        entry = f"{self.prefix}data/{key}"
        if entry not in self.sizes:
            raise ValueError(f"{entry} is missing")
        if count < 0 or count * dtype.itemsize > self.sizes[entry]:
            raise ValueError(f"{entry} has {self.sizes[entry]} bytes, {count} numbers are declared")
        return _Storage(dtype, key, count)

    def _make(self, name: Any, arguments: Any) -> Any:
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise self.refuse("it calls something")
        called = (name.module, name.name)
        if called in _REBUILD:
            return _tensor(*arguments[:4])
        if called == _PARAMETER:
            return arguments[0]
        if called == _TABLE and (not arguments or isinstance(arguments[0], list)):
            pairs = arguments[0] if arguments else []
            if any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
                raise ValueError("a table of no pairs")
            return self._fill({}, [item for pair in pairs for item in pair])
        if self.opaque or called in _INERT:
            return Opaque(name)
        raise self.refuse(f"{name.module}.{name.name} is called")


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> Stored:
    """Raises ValueError: not within its storage, or larger than it."""
    for sizes in (shape, stride):  # before they are looked through: the same long one may be told many times
        if not isinstance(sizes, tuple | list) or len(sizes) > MOST_DIMENSIONS:
            raise ValueError("a tensor of impossible sizes")
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, _Storage) or any(type(n) is not int or not 0 <= n < 2**48 for n in numbers):
        raise ValueError("a tensor of impossible sizes")
    if len(shape) != len(stride):
        raise ValueError("a tensor of impossible sizes")
    count = math.prod(shape)
    last = (
        offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) if count else offset - 1
    )
    if last >= storage.count or count > storage.count:
        raise ValueError(f"a tensor of {tuple(shape)} in a storage of {storage.count} numbers")
    return Stored(storage.dtype, storage.key, offset, tuple(shape), tuple(stride), storage.count)


def _is_key(key: Any) -> bool:
    """Whether it may be a table's: hashing it is cheap and does not recurse."""
    if type(key) is tuple:
        return len(key) <= MOST_KEY_ITEMS and all(type(item) is not tuple and _is_key(item) for item in key)
    if type(key) is int:
        return key.bit_length() <= MOST_INTEGER_BITS
    return key is None or type(key) in (str, float, bool)


_CONSTANTS: Mapping[str, Any] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "MARK": lambda: _MARK,
}  # fmt: skip
_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip


def finite(tensor: Tensor) -> bool:
    """Whether every number of it is one."""
    return not tensor.is_floating_point() or bool(np.isfinite(tensor.float().numpy()).all())
