# SPDX-License-Identifier: GPL-3.0-or-later
"""The presentation of a patch as a picture: drawn from the patch's JSON, not taken from Max."""

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from max_patches.generator.board import DIM, INK, LIT, PAPER
from max_patches.generator.lint import boxes_of

SCALE = 2
_STRIP = 22
_NOTE = "drawn by max_patches/generator, not a screenshot of Max"


def fingerprint(tree: Mapping[str, Any]) -> str:
    """Of the patch that a picture shows."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def _rgb(colour: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(round(255 * part) for part in colour[:3])


def draw(tree: Mapping[str, Any]) -> bytes:
    """PNG, twice the presentation's size."""
    _, _, width, height = tree["patcher"]["rect"]
    size = (round(width * SCALE), round((height + _STRIP) * SCALE))
    image = Image.new("RGB", size, _rgb(PAPER))
    pen = ImageDraw.Draw(image)

    def words(
        x: float, y: float, text: str, points: float, colour: tuple[float, ...], anchor: str = "lm"
    ) -> None:
        font = ImageFont.load_default(points * SCALE)
        pen.text((x * SCALE, y * SCALE), text, font=font, fill=_rgb(colour), anchor=anchor)

    for box in boxes_of(tree).values():
        if not box.get("presentation"):
            continue
        x, y, w, h = box["presentation_rect"]
        edge = [x * SCALE, y * SCALE, (x + w) * SCALE, (y + h) * SCALE]
        kind = box["maxclass"]
        value = box.get("saved_attribute_attributes", {}).get("valueof", {})
        first = value.get("parameter_initial", [0])[0]
        names = value.get("parameter_enum", ())
        if kind == "comment":
            words(x, y + h / 2, box["text"], box["fontsize"], tuple(box["textcolor"]))
        elif kind == "live.dial":
            share = (first - value["parameter_mmin"]) / (value["parameter_mmax"] - value["parameter_mmin"])
            round_box = [
                (x + w / 2 - 17) * SCALE,
                (y + 2) * SCALE,
                (x + w / 2 + 17) * SCALE,
                (y + 36) * SCALE,
            ]
            pen.arc(round_box, 130, 410, fill=_rgb(DIM), width=3 * SCALE)
            pen.arc(round_box, 130, 130 + 280 * share, fill=_rgb(LIT), width=4 * SCALE)
            words(x + w / 2, y + 48, f"{first:g}", box["fontsize"], INK, "mm")
        else:
            fill = (0.22, 0.24, 0.27) if kind != "live.text" else (0.17, 0.19, 0.22)
            pen.rounded_rectangle(edge, 4 * SCALE, fill=_rgb(fill), outline=_rgb(DIM))
            text = box.get("text", "")
            if kind == "live.menu":
                text = names[int(first)] + "  v"
            elif kind == "live.numbox":
                text = f"{first:g}"
            elif kind == "live.text" and box["mode"] and first:
                text = box["texton"]
            words(x + 8, y + h / 2, text, box.get("fontsize", 12.0), INK)
    words(8, height + _STRIP / 2, _NOTE, 10, DIM)
    about, buffer = PngInfo(), io.BytesIO()
    about.add_text("patch", fingerprint(tree))
    image.quantize(64).save(buffer, "PNG", optimize=True, pnginfo=about)
    return buffer.getvalue()
