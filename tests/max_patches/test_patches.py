# SPDX-License-Identifier: GPL-3.0-or-later
"""The checked-in patches are what the tables say, and nothing is wrong with them that a look at the JSON can find."""

import copy
import io
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image
from py2max.m4l import unpack_amxd

from lbserver.protocol import osc
from lbserver.protocol.controls import BY_NAME, CONTROLS
from lbserver.protocol.status import BY_NAME as STATUS
from max_patches.generator import __main__ as program
from max_patches.generator import lint, package, picture, surfaces, views, widgets

ROOT = Path(__file__).resolve().parents[2]
STEERED = [control.name for control in CONTROLS if control.acts != "epoch"]
PATCHES = {path.stem: path for path in (package.PACKAGE / "patchers").glob("*.maxpat")}


def device() -> dict[str, Any]:
    payload, kind = unpack_amxd((package.PACKAGE / "devices" / f"{package.DEVICE}.amxd").read_bytes())
    assert kind == "audio_effect"
    return json.loads(payload)


def trees() -> dict[str, dict[str, Any]]:
    """Checked-in patches by name."""
    return {name: json.loads(path.read_text()) for name, path in PATCHES.items()} | {package.DEVICE: device()}


def faults(name: str, tree: dict[str, Any]) -> list[str]:
    return lint.lint(tree, epoch=name == "liveband~")


def test_every_file_is_what_the_tables_say(capsys: pytest.CaptureFixture[str]) -> None:
    """A control that was added or renamed, and nobody wrote the patches anew."""
    assert program.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", [*views.VIEWS, package.DEVICE])
def test_nothing_is_wrong_with_a_patch(name: str) -> None:
    """A mistyped address, a control that a front end lacks, words over words, a line to nowhere: a performer finds them on stage."""
    assert faults(name, trees()[name]) == []


@pytest.mark.parametrize("path", [*package.PACKAGE.rglob("*.maxhelp"), *package.PACKAGE.rglob("examples/*.maxpat")], ids=lambda path: path.name)  # fmt: skip
def test_nothing_is_wrong_with_help_and_examples(path: Path) -> None:
    tree = json.loads(path.read_text())
    assert [*lint.view_lint(tree), *lint.line_lint(tree), *lint.address_lint(tree)] == []


def spoiled(kind: str) -> dict[str, Any]:
    """`liveband.osc` with one fault."""
    tree = copy.deepcopy(trees()["liveband.osc"])
    boxes, lines = lint.boxes_of(tree), tree["patcher"]["lines"]
    seen = [box for box in boxes.values() if box.get("presentation")]
    named = next(box for box in boxes.values() if box.get("text") == "prepend /lb/*/set/density")
    match kind:
        case "address":
            next(box for box in boxes.values() if box.get("text") == "prepend /lb/*/chord")["text"] = (
                "prepend /lb/*/cord"
            )
        case "control":
            named["text"] = "prepend /lb/*/set/density2"
        case "unreached":
            lines[:] = [line for line in lines if line["patchline"]["destination"][0] != named["id"]]
        case "overlap":
            seen[5]["presentation_rect"] = [
                *seen[9]["presentation_rect"][:2],
                *seen[5]["presentation_rect"][2:],
            ]
        case "outside":
            seen[-1]["presentation_rect"][0] = 5000.0
        case "line":
            lines[3]["patchline"]["source"] = [lines[3]["patchline"]["source"][0], 9]
        case "name":
            next(box for box in seen if box.get("varname") == "gain")["varname"] = "mix"
    return tree


@pytest.mark.parametrize(
    ("kind", "words"),
    [("address", "no such address"), ("control", "no control density2"), ("unreached", "density: its widget does not reach"),
     ("overlap", "lies on"), ("outside", "leaves the view"), ("line", "there is nothing"), ("name", "two boxes")],
)  # fmt: skip
def test_the_lint_finds_each_fault(kind: str, words: str) -> None:
    """A lint that finds nothing proves nothing."""
    assert any(words in fault for fault in faults("liveband.osc", spoiled(kind)))


@pytest.mark.parametrize("front", [*views.VIEWS, package.DEVICE, "surfaces", "sidecar"])
def test_a_control_renamed_in_the_table_alone_is_found_in_each_front_end(
    front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever renames a control and generates nothing anew hears by name which front end still has the old one."""
    renamed = tuple(replace(one, name="thickness") if one.name == "density" else one for one in CONTROLS)
    for module in (lint, views, surfaces, package):
        monkeypatch.setattr(module, "CONTROLS", renamed)
    monkeypatch.setattr(lint, "BY_NAME", {one.name: one for one in renamed})
    if front == "surfaces":
        for found in surface_controls().values():
            assert found ^ {one.name for one in renamed if one.acts != "epoch"} == {"density", "thickness"}
    elif front == "sidecar":
        assert "thickness" in package.tables()
        assert package.tables().encode() != (package.PACKAGE / "javascript" / "tables.js").read_bytes()
    else:
        told = faults(front, trees()[front])
        assert any("density" in fault or "thickness" in fault for fault in told), told


def surface_controls() -> dict[str, set[str]]:
    """Controls that the checked-in surfaces set, by file."""
    folder = package.ROOT / "surfaces"
    stage = json.loads((folder / "LiveBand.open-stage-control.json").read_text())
    touch = ElementTree.fromstring(zlib.decompress((folder / "LiveBand.tosc").read_bytes()))
    paths = {
        "LiveBand.open-stage-control.json": [widget["address"] for widget in stage["content"]["widgets"]],
        "LiveBand.tosc": [value.text or "" for value in touch.iterfind(".//path/partial/value")],
    }
    return {
        name: {path.rsplit("/", 1)[1] for path in found if "/set/" in path} for name, found in paths.items()
    }


def test_surfaces_reach_every_control_in_its_range() -> None:
    """A fader that ends where the control goes on, or before it begins."""
    assert all(found == set(STEERED) for found in surface_controls().values())
    stage = json.loads((package.ROOT / "surfaces" / "LiveBand.open-stage-control.json").read_text())
    told = [
        widget["address"].rsplit("/", 1)
        for widget in stage["content"]["widgets"]
        if "/status/" in widget["address"]
    ]
    assert told
    assert all(path == "/lb/*/status" and name in STATUS for path, name in told)
    touch = ElementTree.fromstring(
        zlib.decompress((package.ROOT / "surfaces" / "LiveBand.tosc").read_bytes())
    )
    for node in touch.iterfind(".//children/node"):
        name = node.findtext("properties/property[key='name']/value")
        info = BY_NAME[name or ""]
        low, high = (
            float(node.findtext(f".//arguments/partial/{end}") or "nan") for end in ("scaleMin", "scaleMax")
        )
        assert (low, high) == (info.minimum, widgets.largest(info)), name


def test_addresses_in_the_sidecar_are_those_of_the_table() -> None:
    for path in (package.PACKAGE / "javascript").rglob("*.js"):
        if path.name != "tables.js":
            text = (
                path.read_text().replace("${this.settings.session}", "<session>").replace("${what}", "chord")
            )
            found = [
                fault
                for fault in lint.address_faults(text, ("in", "out", "both"))
                if "/lb/<session>" in fault
            ]
            assert [fault for fault in found if not re.match(r"/lb/<session>(/|\\/)?:", fault)] == [], (
                path.name
            )


def test_parameters_of_the_plug_in_have_the_numbers_that_it_gives_them() -> None:
    """`vst~` knows parameters by number: a row in the wrong place turns another knob."""
    source = (ROOT / "plugin_shim" / "juce" / "Controls.cpp").read_text()
    assert int(re.search(r"kFirstRows = (\d+)", source)[1]) == views.HOST_ROWS  # type: ignore[index]
    assert tuple(re.findall(r'add\(processor, "(\w+)"', source)) == views.OWN_PARAMETERS
    numbers = [views.plugin_number(control) for control in CONTROLS]
    assert numbers == [*range(1, 14), *range(19, 19 + len(CONTROLS) - 13)]


def test_widgets_give_the_table_s_range_and_default() -> None:
    for name, tree in trees().items():
        for box in lint.boxes_of(tree).values():
            info = BY_NAME.get(box.get("varname", ""))
            if info is None or box["maxclass"] not in lint.WIDGETS:
                continue
            value = box["saved_attribute_attributes"]["valueof"]
            if info.choices:
                assert value["parameter_enum"] == list(info.choices), name
            if info.kind in ("float", "int"):
                assert (value["parameter_mmin"], value["parameter_mmax"]) == (
                    info.minimum,
                    widgets.largest(info),
                )
            if info.kind != "trigger":
                assert value["parameter_initial"] == [info.default], (name, info.name)


def test_pictures_are_of_the_patches_that_are_there() -> None:
    """A picture that shows the patch of last year."""
    for name, tree in trees().items():
        image = Image.open(io.BytesIO((package.PACKAGE / "docs" / f"{name}.png").read_bytes()))
        width, height = tree["patcher"]["rect"][2:]
        assert image.size[0] == round(width * picture.SCALE)
        assert image.size[1] > height * picture.SCALE
        shown = views.device().tree() if name == package.DEVICE else tree
        assert image.info["patch"] == picture.fingerprint(shown)


def test_the_port_is_the_server_s() -> None:
    assert all(text == f"udpsend 127.0.0.1 {osc.PORT}" for tree in trees().values() for text in lint.texts(tree) if text.startswith("udpsend"))  # fmt: skip
