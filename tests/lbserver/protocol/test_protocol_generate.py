# SPDX-License-Identifier: GPL-3.0-or-later
"""What other languages read of the protocol is what Python speaks."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from lbserver.protocol import MAJOR, MINOR, generate
from lbserver.protocol import segment as layout
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.errors import ERRORS
from lbserver.protocol.messages import MESSAGES
from lbserver.protocol.status import STATUS
from lbserver.session.states import State

COMPILER = shutil.which("g++") or shutil.which("clang++")
STRICT = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic"]


@pytest.mark.parametrize("path", generate.FILES, ids=lambda path: path.name)
def test_committed_files_are_what_the_protocol_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generate.FILES[path](), (
        "run `python -m lbserver.protocol.generate`"
    )


def test_check_notices_an_edited_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plugin_shim" / "protocol.h"
    monkeypatch.setattr(generate, "FILES", {path: generate.header})
    monkeypatch.setattr(generate, "_ROOT", tmp_path)
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    path.write_text(path.read_text().replace("kMajor = 1", "kMajor = 2"))
    capsys.readouterr()
    assert generate.main(["--check"]) == 1
    assert "protocol.h is not what the protocol says" in capsys.readouterr().out


def test_fields_lie_apart_and_inside_the_header() -> None:
    """Two fields on the same bytes, or one across a line that the other side writes, would tear."""
    taken: dict[int, str] = {}
    for field in layout.FIELDS:
        size = struct.calcsize("<" + field.code)
        assert field.offset % size == 0
        assert field.offset + size <= layout.HEADER_BYTES
        for at in range(field.offset, field.offset + size):
            assert at not in taken, f"{field.name} lies on {taken.get(at)}"
            taken[at] = field.name
    writers: dict[int, set[str]] = {}
    for field in layout.FIELDS:
        writers.setdefault(field.offset // 64, set()).add(field.writer)
    assert all(len(names) == 1 for names in writers.values())
    for field in (*layout.HOST, *layout.SERVER):
        assert struct.calcsize("<" + field.code) == 8
    assert struct.calcsize(layout.EVENT_STRUCT) == layout.EVENT_BYTES


def test_states_of_the_segment_are_those_of_the_session() -> None:
    assert tuple(state.value for state in State) == layout.STATES


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here")
def test_the_header_compiles_and_says_the_same(tmp_path: Path) -> None:
    """A C++ front end that reads a field elsewhere than the server writes it would play noise."""
    assert COMPILER is not None
    offsets = "\n".join(
        f'    std::printf("{field.name} %zu\\n", offset::{field.name});'
        for field in (*layout.HOST, *layout.SERVER)
    )
    statics = "\n".join(
        f'    std::printf("{field.name} %zu\\n", offsetof(StaticHeader, {field.name}));'
        for field in layout.STATIC
    )
    source = tmp_path / "probe.cpp"
    source.write_text(
        f"""
#include <liveband/protocol.h>
#include <cstdio>
#include <cstring>
using namespace liveband::protocol;
int main() {{
{statics}
{offsets}
    std::printf("version %u %u\\n", unsigned(kMajor), unsigned(kMinor));
    std::printf("sizes %zu %zu %zu\\n", sizeof(StaticHeader), sizeof(Event), kHeaderBytes);
    std::printf("tables %zu %zu %zu %zu %zu %zu\\n", kControls.size(), kStatus.size(), kMessages.size(),
                kParts.size(), kErrors.size(), kStates.size());
    for (const auto& control : kControls)
        std::printf("control %s %g %g %g\\n", control.name.data(), control.minimum, control.maximum, control.initial);
    std::printf("cursor %llu %u %llu %u\\n", (unsigned long long)cursor(65535, (1ull << 48) - 1),
                epoch_of(cursor(7, 9)), (unsigned long long)position_of(cursor(7, 9)), epoch_after(65535));
    Event event{{}};
    event.epoch = 3; event.kind = std::uint16_t(EventKind::kChord); event.flags = 5; event.position = -2;
    for (int i = 0; i < 6; ++i) event.values[i] = i + 0.5;
    unsigned char bytes[sizeof event];
    std::memcpy(bytes, &event, sizeof event);
    std::printf("event ");
    for (unsigned char byte : bytes) std::printf("%02x", byte);
    alignas(64) unsigned char memory[kHeaderBytes] = {{}};
    word(memory, offset::gain).store(as_word(0.25), std::memory_order_release);
    std::printf("\\nlevel ");
    for (int i = 0; i < 8; ++i) std::printf("%02x", memory[offset::gain + i]);
    std::printf(" %g\\n", as_double(word(memory, offset::gain).load(std::memory_order_acquire)));
}}
"""
    )
    program = tmp_path / "probe"
    include = generate.HEADER.parents[1]
    built = subprocess.run(
        [COMPILER, *STRICT, f"-I{include}", str(source), "-o", str(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    lines = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.splitlines()
    told = {line.split()[0]: line.split()[1:] for line in lines if not line.startswith("control ")}
    for field in layout.FIELDS:
        assert told[field.name] == [str(field.offset)]
    assert told["version"] == [str(MAJOR), str(MINOR)]
    static_bytes = max(field.offset + struct.calcsize(field.code) for field in layout.STATIC)
    assert told["sizes"] == [str(static_bytes), str(layout.EVENT_BYTES), str(layout.HEADER_BYTES)]
    tables = (CONTROLS, STATUS, MESSAGES, [p for m in MESSAGES for p in m.parts], ERRORS, layout.STATES)
    assert told["tables"] == [str(len(table)) for table in tables]
    assert [line for line in lines if line.startswith("control ")] == [
        f"control {c.name} {c.minimum:g} {c.maximum:g} {c.default:g}" for c in CONTROLS
    ]
    assert told["cursor"] == [str(layout.cursor(65535, (1 << 48) - 1)), "7", "9", "1"]
    values = [i + 0.5 for i in range(6)]
    assert told["event"] == [
        struct.pack(layout.EVENT_STRUCT, 3, layout.EVENT_KINDS["chord"], 5, -2, *values).hex()
    ]
    assert told["level"] == [struct.pack("<d", 0.25).hex(), "0.25"]


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here")
def test_the_header_may_be_included_twice_and_linked_from_two_units(tmp_path: Path) -> None:
    """A definition that is not inline shows only when a plug-in has a second file."""
    assert COMPILER is not None
    include = '#include <liveband/protocol.h>\n#include "liveband/protocol.h"\n'
    (tmp_path / "a.cpp").write_text(include + "int other();\nint main() { return other(); }\n")
    (tmp_path / "b.cpp").write_text(
        include + "int other() { return int(liveband::protocol::kParts.size() == 0); }\n"
    )
    command = [COMPILER, *STRICT, f"-I{generate.HEADER.parents[1]}", "a.cpp", "b.cpp", "-o", "both"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert subprocess.run([str(tmp_path / "both")], check=False).returncode == 0


def test_every_name_of_the_protocol_is_in_the_reference() -> None:
    text = generate.REFERENCE.read_text(encoding="utf-8")
    for names in (
        [c.name for c in CONTROLS],
        [s.name for s in STATUS],
        [f.name for f in layout.FIELDS],
        list(ERRORS),
    ):
        assert [name for name in names if f"`{name}`" not in text] == []
    assert [message.name for message in MESSAGES if f"**{message.name}**" not in text] == []
