# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of CurveZMQ: who may talk to a server over a network, and how a client knows that it is the server.

A pair is two files as ZeroMQ's own tools write them: `<name>.key` is public and goes to the other side,
`<name>.key_secret` never leaves its machine. A server lists the clients it lets in as a folder of their public keys.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import zmq

from lbserver.errors import LiveBandError

_KEY_CHARACTERS = 40
_LARGEST_FILE_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """Both halves, in Z85."""

    public: bytes
    secret: bytes


def make_keys(folder: Path, name: str = "liveband") -> tuple[Path, Path]:
    """A new pair in a folder, made if need be with mode 0700. Returns (public file, secret file), the latter 0600.

    Raises LiveBandError when one of the files exists: an overwritten key cannot be got back.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise LiveBandError(f"{name[:80]!r} is no name for a key: a plain file name without a dot before it")
    public_path, secret_path = folder / f"{name}.key", folder / f"{name}.key_secret"
    public, secret = (key.decode("ascii") for key in zmq.curve_keypair())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if public_path.exists():
            raise FileExistsError
        _write(secret_path, f'curve\n    public-key = "{public}"\n    secret-key = "{secret}"\n', 0o600)
        _write(public_path, f'curve\n    public-key = "{public}"\n', 0o644)
    except FileExistsError:
        raise LiveBandError(
            f"there are keys already: {public_path}; remove both files or give another name"
        ) from None
    except OSError as error:
        raise LiveBandError(f"cannot write keys to {folder}: {error.strerror}") from None
    return public_path, secret_path


def read_public(path: Path) -> bytes:
    """The public key in a file. Raises LiveBandError."""
    return _field(_read(path), "public-key", path)


def read_pair(path: Path) -> KeyPair:
    """The pair in a secret file.

    Raises LiveBandError when it cannot be read, holds no pair, or others may read it.
    """
    text = _read(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise LiveBandError(
            f"the secret key {path} can be read by others (mode {mode:04o}): chmod 600 {path}"
        )
    secret = _field(text, "secret-key", path)
    public = _field(text, "public-key", path)
    try:
        if zmq.curve_public(secret) != public:
            raise LiveBandError(f"the two keys in {path} are no pair")
    except (zmq.ZMQError, ValueError):
        raise LiveBandError(f"{path} holds no key of CurveZMQ") from None
    return KeyPair(public=public, secret=secret)


class AllowList:
    """Public keys that may come in: the `*.key` files of a folder, looked at again when the folder changes."""

    def __init__(self, folder: Path) -> None:
        """Raises LiveBandError when there is no such folder or a file in it is no key."""
        self._folder = folder
        self._changed: tuple[int, ...] = ()
        self._keys: frozenset[bytes] = frozenset()
        self.denied = 0
        self._refresh()

    def callback(self, _domain: str, key: bytes) -> bool:
        """Whether a key may come in; what ZeroMQ's authenticator asks."""
        with suppress(LiveBandError):  # a file half written: who was in stays in, nobody is added
            self._refresh()
        allowed = key in self._keys
        self.denied += not allowed
        return allowed

    def _refresh(self) -> None:
        try:
            files = sorted(self._folder.glob("*.key"))
            changed = (self._folder.stat().st_mtime_ns, *(file.stat().st_mtime_ns for file in files))
        except OSError as error:
            raise LiveBandError(
                f"cannot read the folder of allowed keys {self._folder}: {error.strerror}"
            ) from None
        if changed != self._changed:
            self._keys = frozenset(read_public(file) for file in files)
            self._changed = changed


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE_BYTES).decode("ascii")
    except OSError as error:
        raise LiveBandError(f"cannot read the key {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LiveBandError(f"{path} holds no key of CurveZMQ") from None


def _field(text: str, name: str, path: Path) -> bytes:
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == name:
            value = value.strip(" \t\"'")
            if len(value) == _KEY_CHARACTERS:
                return value.encode("ascii")
    raise LiveBandError(f"{path} holds no {name}: `liveband keys` makes a pair")


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
