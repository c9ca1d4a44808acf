# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reference declares in words and tables is what the doors do."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from lbmodels.contract.spec import Spec
from lbserver.host.rundir import ServerInfo, run_path
from lbserver.hub.admission import HubError, check_name
from lbserver.protocol import discovery, limits, names, osc, reference
from lbserver.protocol.messages import MESSAGES, SPEC
from lbserver.protocol.status import STATUS
from lbserver.transports.osc.doorway import sign
from lbserver.transports.osc.packet import message, write

PAGE, ROOT = reference.page(), Path(__file__).resolve().parents[3]


def test_the_registry_has_the_fields_of_the_page() -> None:
    assert [one.name for one in discovery.REGISTRY_FIELDS] == [one.name for one in fields(ServerInfo)]


def test_the_run_directory_is_the_first_that_applies(tmp_path: Path) -> None:
    """A front end that looks elsewhere than the server finds nobody."""
    everything = {"LIVEBAND_RUN": "/a", "XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": "/t"}
    wanted = ["/a", str(tmp_path / "liveband"), "/t/liveband-", "/tmp/liveband-"]
    for name, path in zip((*everything, ""), wanted, strict=True):
        assert str(run_path(everything)).startswith(path)
        everything.pop(name, None)
    relative = run_path({"XDG_RUNTIME_DIR": ".", "TMPDIR": "."})
    assert str(relative).startswith("/tmp/liveband-")


@pytest.mark.parametrize("name", ["guitar", "1", "a.b-c_D", "x" * 64])
def test_names_that_the_page_accepts_are_accepted(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "*", "é", "x" * 65, *names.RESERVED])
def test_names_that_it_does_not_are_not(name: str) -> None:
    with pytest.raises(HubError, match="letters, digits"):
        check_name(name)


def test_every_letter_of_an_argument_is_explained_and_every_limit_told() -> None:
    used = {word.split(":")[0] for address in osc.ADDRESSES for word in address.arguments.split()}
    assert used == set(osc.KINDS)
    assert {tag for kind in osc.KINDS.values() for tag in kind.taken} == set(osc.TAGS)
    numbers = {value for name, value in vars(limits).items() if name.isupper() and name != "LIMITS"}
    assert numbers <= {one.value for one in limits.LIMITS}


def test_the_fields_of_a_spec_are_those_of_an_accompanist() -> None:
    assert list(SPEC) == [field.name for field in fields(Spec)]


def _told(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Of every message that a module writes down: its type, and the fields it is given there."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            pairs = {
                key.value: value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }
            if isinstance(kind := pairs.get("type"), ast.Constant):
                yield kind.value, set(pairs) - {"type", "id"}


@pytest.mark.parametrize("name", ["hub/requests", "transports/local", "transports/zeromq", "places/link", "places/relay",
                                  "client/lines", "client/asynchronous", "client/connection", "ring/remote_end"])  # fmt: skip
def test_no_field_is_sent_that_the_tables_lack(name: str) -> None:
    """A client that was written after the page would never look for it, and a check of what comes drops it."""
    tables: dict[str, set[str]] = {}
    for one in MESSAGES:
        tables.setdefault(one.name, set()).update(part.name for part in one.parts)
    for kind, parts in _told(ROOT / "lbserver" / f"{name}.py"):
        assert parts <= tables[kind], kind


@pytest.mark.parametrize("name", ["core/connection", "core/watcher", "tests/windows_server"])
def test_the_plugin_sends_and_reads_no_field_that_the_tables_lack(name: str) -> None:
    """`memory`, which names the segment on Windows, was in no table: a server that follows the page would not have sent it."""
    used = re.findall(
        r'(?:with|find|\w+Of)\("(\w+)"', (ROOT / "plugin_shim" / f"{name}.cpp").read_text(encoding="utf-8")
    )
    known = (
        {part.name for one in MESSAGES for part in one.parts} | {one.name for one in STATUS} | {"type", "id"}
    )
    assert set(used) <= known


def test_the_signed_example_is_what_the_server_wants() -> None:
    """A front end that follows an example which is wrong is never let in."""
    signed = write(sign(message("/lb/ping", 7), reference._TOKEN.encode(), 1, reference._COOKIE))
    assert reference._signed_ping() == signed
    assert signed.hex(" ", 4) in PAGE
