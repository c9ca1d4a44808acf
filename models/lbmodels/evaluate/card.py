# SPDX-License-Identifier: GPL-3.0-or-later
"""A model's card, written from files of figures: nobody types a figure into it.

The folder FIGURES/NAME holds `about.toml` (what was written by hand: texts, no scores), `training.json`, and figures in any
of the shapes that `liveband evaluate` writes; other figures come as {"title", "text", "columns", "rows"} or as a list of flat
objects. Pictures (TITLE.png) are shown below the scores. Files are taken in the order of their names within each shape.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lbmodels.documents import MOST_FIGURES_CHARACTERS, read_json, read_toml
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.real import summary_table
from lbmodels.evaluate.reconstruction_table import AUTOENCODER, ceiling_table, score_text
from lbmodels.evaluate.report import SHOWN, write_json
from lbmodels.weights.manifest import available

MOST_FIGURES_BYTES = 400_000
PLACES = {"none": "nothing", "beat": "beat", "chords": "chords and key", "all": "beat, chords, key"}
TEXTS = {
    "data": "Data",
    "training": "Training",
    "use": "Intended use",
    "limits": "Limits",
    "licence": "Licence",
}


def keep(source: Path, target: Path) -> None:
    """Copy a result into a folder of figures, without what it says of single excerpts; a training log becomes JSON.

    Raises:
        LiveBandModelError: not JSON or a training log, or too large to be kept in a repository.
    """
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LiveBandModelError(f"{source} cannot be read: {error}") from None
    try:
        data = _slim(read_json(text, most_characters=MOST_FIGURES_CHARACTERS))
    except ValueError:
        data = training_facts(text)
        if not data:
            raise LiveBandModelError(f"{source} is neither JSON nor a log of `liveband train`") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(data, target)
    if target.stat().st_size > MOST_FIGURES_BYTES:
        target.unlink()
        raise LiveBandModelError(
            f"{source} holds more than {MOST_FIGURES_BYTES} bytes of figures; keep a smaller result"
        )


def _slim(value: Any) -> Any:
    """Without lists of single excerpts and without places on the disk of whoever measured."""
    if isinstance(value, dict):
        return {
            key: _slim(item)
            for key, item in value.items()
            if not (key == "excerpts" and isinstance(item, list))
            and key not in ("data", "cache", "kept", "save_audio")
        }
    return [_slim(item) for item in value] if isinstance(value, list) else value


def training_facts(log: str) -> dict[str, Any]:
    """Steps, hours and last losses of a log of `liveband train`: lines of `STEP/STEPS ... name value ...`.

    Hours are the sum of seconds per step over the steps that the log shows, a step done twice counted once.
    """
    steps: dict[int, float] = {}
    last: dict[str, float] = {}
    total = 0
    for line in log.splitlines():
        found = re.match(r"\s*(\d+)/(\d+)\s", line)
        if found is None:
            continue
        values = {
            name: float(value)
            for name, value in re.findall(r"([a-z_]+) (-?\d+(?:\.\d+)?(?:e-?\d+)?)(?=\s|$)", line)
        }
        if "seconds_per_step" in values:
            steps[int(found[1])] = values.pop("seconds_per_step")
            last, total = values, int(found[2])
    if not steps:
        return {}
    order = sorted(steps)
    spans = [order[0] if len(order) == 1 else order[1] - order[0]]
    spans += [b - a for a, b in itertools.pairwise(order)]
    seconds = sum(span * steps[step] for span, step in zip(spans, order, strict=True))
    return {
        "first_step": order[0],
        "steps": order[-1],
        "planned_steps": total,
        "hours": seconds / 3600,
        "last": last,
    }


def card(folder: Path) -> str:
    """The card of the model that `folder` is named after, as Markdown that lies two folders up.

    Raises:
        LiveBandModelError: no folder, no about.toml, or a file that is not figures.
    """
    about_path = folder / "about.toml"
    if not about_path.is_file():
        raise LiveBandModelError(f"no {about_path}: it holds the card's texts (summary, {', '.join(TEXTS)})")
    try:
        about = read_toml(about_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LiveBandModelError(f"{about_path} is not TOML: {error}") from None
    figures = {}
    for path in sorted(folder.glob("*.json")):
        try:
            figures[path.stem] = read_json(
                path.read_text(encoding="utf-8"), most_characters=MOST_FIGURES_CHARACTERS
            )
        except ValueError as error:
            raise LiveBandModelError(f"{path} is not JSON: {error}") from None
    name = folder.name
    lines = [f"# {name}", "", str(about.get("summary", "")).strip(), "", *_files(name)]
    for key in ("data", "training"):
        lines += _text(about, key)
        if key == "training" and "training" in figures:
            lines += _training(figures.pop("training"))
    results = {k: f for k, f in figures.items() if isinstance(f, dict) and "rows" in f and "settings" in f}
    if results:
        codec = _through_codec(figures)
        told = list(results.values())
        lines += _scores(told, codec) + _sets(told, codec) + _curve(told)
    for picture in sorted(folder.glob("*.png")):
        title = picture.stem.replace("-", " ").capitalize()
        lines += ["", f"![{title}]({folder.parent.name}/{name}/{picture.name})"]
    for key, figure in figures.items():
        if key not in results:
            lines += _other(key, figure)
    pages = {
        "gallery/README.md": "[Spectrograms and sound files](gallery/README.md) of excerpts that a seed drew.",
        "real/README.md": "[Every real recording](real/README.md), what fails first, with spectrograms.",
    }
    own = f"gallery-{name}/README.md"
    if any(one.name == name and not one.default for one in available()):  # it has pages of its own
        pages = {own: f"[Spectrograms and sound files]({own}) of excerpts that a seed drew."}
    found = [line for page, line in pages.items() if (folder.parent.parent / page).is_file()]
    if found:
        lines += ["", "## Listen and look", "", *(f"- {line}" for line in found)]
    for key in ("use", "limits", "licence"):
        lines += _text(about, key)
    lines += [
        "",
        f"<!-- Written by `liveband evaluate --card {folder.parent.name}/{name}` from its files: change those. -->",
    ]
    return "\n".join(lines) + "\n"


def _text(about: dict[str, Any], key: str) -> list[str]:
    told = about.get(key)
    if not told:
        return []
    listed = [f"- {line}" for line in told] if isinstance(told, list) else [str(told).strip()]
    return ["", f"## {TEXTS[key]}", "", *listed]


def _files(name: str) -> list[str]:
    """What the manifest says."""
    found = [one for one in available() if one.name == name]
    if not found:
        return ["Not among the weights that ship."]
    one = found[0]
    lines = [
        f"- {one.description}{' The default model.' if one.default else ''}",
        f"- Recipe: `{one.recipe}`.",
    ]
    # A graph is made of them, and made anew with the code.
    weights = {file: digest for file, digest in one.sha256.items() if not file.endswith(".graph")}
    return lines + [f"- `{file}`, SHA-256 `{digest[:16]}…`" for file, digest in sorted(weights.items())]


def _training(facts: dict[str, Any]) -> list[str]:
    last = ", ".join(
        f"{name.replace('_', ' ')} {_number(value)}" for name, value in facts.get("last", {}).items()
    )
    return [
        "",
        (
            f"From the log: steps {facts['first_step']} to {facts['steps']} of {facts['planned_steps']}, "
            f"{facts['hours']:.1f} hours of wall clock. Last line: {last}."
        ),
    ]


def _is_ceiling(figure: Any) -> bool:
    return isinstance(figure, list) and bool(figure) and "attack_blur_ms" in figure[0]


def _through_codec(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By stem class, what the model's own autoencoder leaves of the truth; of several files with it the first."""
    for _key, figure in sorted(figures.items()):
        # Real recordings have no true chords: their scores are of another kind.
        if _is_ceiling(figure) and not any("chroma" in row["scores"] for row in figure):
            plain = [row for row in figure if row["coder"] == AUTOENCODER and not row["noise_percent"]]
            return {row["stem"]: row for row in plain if not row["levels"]}
    return {}


def _scores(results: Sequence[dict[str, Any]], codec: dict[str, dict[str, Any]]) -> list[str]:
    """One table per metric: our rows first, then baselines, beside floor and ceiling."""
    ours = [r for r in results if not _baseline(r)]
    told = (ours or results)[0]["settings"]
    trackers = sorted({r["tracker"] for r in results if "tracker" in r})
    lines = [
        "", "## Scores", "",
        (
            f"Split `{told['split']}`, excerpts of {told['seconds']:g} s scored from {told['start_s']:g} s on; "
            f"tracker: {'; '.join(trackers) or 'not stated'}. Floor: the true stem of another song. Ceiling: the true stem. "
            "Normalised: (score - floor) / (ceiling - floor), with its 95 % bootstrap interval over songs. "
            f"n: excerpts / songs. *Ours* was measured under the name {', '.join(dict.fromkeys(r['model'] for r in ours)) or '–'}."
            + (
                " Through the codec: the true stem encoded and decoded, in brackets that stem itself; of "
                f"{' or '.join(sorted({str(row['excerpts']) for row in codec.values()}))} excerpts a stem of other songs."
                if codec
                else ""
            )
        ),
    ]  # fmt: skip
    results = _without_curves(results)
    names = list(dict.fromkeys(name for r in results for row in r["rows"] for name in row["metrics"]))
    for metric in names:
        rows = []
        for result in sorted(results, key=_baseline):
            nearest = _main_anticipation(result)
            for row in result["rows"]:
                score = row["metrics"].get(metric)
                if row["anticipation_ms"] == nearest and score and score["score"] is not None:
                    rows.append((row["stem"], _who(result, row), row["anticipation_ms"], score))
        if not rows:
            continue
        order = {stem: i for i, stem in enumerate(dict.fromkeys(stem for stem, *_ in rows))}
        rows.sort(key=lambda row: order[row[0]])
        head = ["stem", "played by, told", "A ms", "score", "floor", "ceiling"]
        head += [*(["through the codec"] if codec else []), "normalised", "n"]
        lines += ["", f"### {_title(metric)}", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for stem, who, ms, s in rows:
            cells = [stem, who, f"{ms:g}", f"{_number(s['score'])} ({_span(s['score_interval'])})"]
            cells += [_number(s["floor"]), _number(s["ceiling"])]
            if codec:
                row = codec.get(stem, {"scores": {}, "true_scores": {}})
                cells.append(score_text(row, metric))
            cells += [
                f"{_number(s['normalised'])} ({_span(s['interval'])})",
                f"{s['excerpts']} / {s['songs']}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _sets(results: Sequence[dict[str, Any]], codec: dict[str, dict[str, Any]]) -> list[str]:
    """Distances of whole sets, where they were measured."""
    rows = [
        f"| {name.replace('_', ' ')} | {row['stem']} | {_who(r, row)} | {_number(s['score'])} | {_number(s['halves'])} | {r['settings']['excerpts']} |"
        for r in sorted(results, key=_baseline)
        for row in r["rows"]
        if row["anticipation_ms"] == _main_anticipation(r)
        for name, s in row.get("sets", {}).items()
    ]
    rows += [
        f"| {name.replace('_', ' ')} | {stem} | the truth through the codec | {_number(score)} | {_number(row['halves'][name])} | {row['excerpts']} |"
        for stem, row in codec.items()
        for name, score in row["frechet"].items()
    ]
    head = [
        "", "### Distances of sets", "", (
            "Lower is better; *halves* is one half of the truth against the other. n: excerpts; distances of different n do not "
            "compare, fewer are further apart."
        ), "",
        "| distance | stem | played by, told | score | halves | n |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    return [*head, *rows] if rows else []


def _curve(results: Sequence[dict[str, Any]]) -> list[str]:
    """Normalised scores over the anticipation, where a result has several."""
    lines = []
    for result in results:
        times = sorted({row["anticipation_ms"] for row in result["rows"]})
        if len(times) < 2 or _baseline(result):
            continue
        for metric in ("beat_f1", "chord"):
            cells: dict[tuple[str, str], dict[float, float | None]] = {}
            for row in result["rows"]:
                score = row["metrics"].get(metric)
                if score and score["normalised"] is not None:
                    cells.setdefault((row["stem"], row["conditions"]), {})[row["anticipation_ms"]] = score[
                        "normalised"
                    ]
            if cells:
                lines += [
                    "", f"### {_title(metric)} over the anticipation, normalised", "",
                    f"| stem | told | {' | '.join(f'{ms:g} ms' for ms in times)} | last by first |", "|" + "---|" * (len(times) + 3),
                ]  # fmt: skip
                for (stem, known), by_time in cells.items():
                    first, last = by_time.get(times[0]), by_time.get(times[-1])
                    share = f"{last / first:.2f}" if first and last is not None and first > 0 else "–"
                    shown = " | ".join(_number(by_time.get(ms)) for ms in times)
                    lines.append(f"| {stem} | {PLACES.get(known, known)} | {shown} | {share} |")
    return lines


def _other(key: str, figure: Any) -> list[str]:
    """Real pieces, the autoencoder's figures, and tables of any kind."""
    if isinstance(figure, dict) and "summary" in figure and "pieces" in figure:
        return [
            "", "## Real recordings", "",
            (
                f"{len(figure['pieces'])} freely licensed pieces, A = {figure['anticipation_ms']:g} ms; beats by madmom on the "
                "recording, chroma against the recording and against the stem transposed. What the words mean: "
                "`liveband evaluate --real`."
            ),
            "", *summary_table(figure["summary"]),
        ]  # fmt: skip
    if isinstance(figure, list) and figure and "si_sdr_db" in figure[0]:
        return [
            "", f"## Autoencoder{'' if key in ('codec', 'reconstruction') else ': ' + key.replace('-', ' ')}", "",
            "| stem | coder | kbit/s | spectral convergence | log STFT distance, dB | SI-SDR, dB | excerpts |", "|---|---|---|---|---|---|---|",
            *(
                f"| {r['stem']} | {r['coder']} | {r['bits_per_s'] / 1000:.1f} | {_number(r['convergence'])} ({_span(r['convergence_interval'])}) | "
                f"{_number(r['log_db'])} ({_span(r['log_db_interval'])}) | "
                f"{_number(r['si_sdr_db'])} ({_span(r['si_sdr_db_interval'])}) | {r['excerpts']} |"
                for r in figure
            ),
        ]  # fmt: skip
    if isinstance(figure, dict) and "windows" in figure:
        return _windows(key.replace("-", " ").capitalize(), figure)
    if _is_ceiling(figure):
        text = (
            "What the autoencoder leaves of true stems and mixes. In brackets the truth, of Frechet distances its halves. *Blur*: "
            "how much longer onsets take from 10 to 90 % of their energy, median. Measured by `liveband evaluate --reconstruction`."
        )
        title = "Ceiling" if key == "ceiling" else key.replace("-", " ").capitalize()
        return ["", f"## {title}", "", text, "", *ceiling_table(figure)]
    if isinstance(figure, list) and figure and "ranked" in figure[0]:
        return ["", f"## {key.replace('-', ' ').capitalize()}", "", *_ranking(figure)]
    title, text = key.replace("-", " ").replace("_", " ").capitalize(), ""
    source = figure.get("model", "") if isinstance(figure, dict) else ""
    if isinstance(figure, dict) and {"columns", "rows"} <= figure.keys():
        title, text = figure.get("title", title), figure.get("text", "")
        columns, rows = figure["columns"], figure["rows"]
    elif (listed := _listed(figure)) is not None:
        figure = listed
        if not text and source:
            text = f"Played by {source}."
        figure = [_flat(row) for row in figure]
        columns = list(dict.fromkeys(c for row in figure for c in row))
        rows = [[row.get(c) for c in columns] for row in figure]
    else:
        raise LiveBandModelError(
            f'{key}.json holds figures of no known shape; accepted besides results: {{"title", "text", "columns", "rows"}}'
        )
    table = [f"| {' | '.join(_number(cell) for cell in row)} |" for row in rows]
    head = [f"| {' | '.join(str(c).replace('_', ' ') for c in columns)} |", "|" + "---|" * len(columns)]
    return ["", f"## {title}", "", *([text, ""] if text else []), *head, *table]


def _windows(title: str, figure: dict[str, Any]) -> list[str]:
    """What `--windows` found: one line a row, less what the ear for coherence or Frechet distances did not judge."""
    settings = figure["settings"]
    shown = ("beat_f1", "chord", "onset_f1", "coherence", "silence_error")
    head = ["stem", "w", "r", "quality", "told", *(name.replace("_", " ") for name in shown), "Frechet", "n"]
    lines = [
        "", f"## {title}", "",
        (
            f"Split `{settings['split']}`, excerpts of {settings['seconds']:g} s scored from {settings['start_s']:g} s on. w = -1 hears what it "
            "plays over, 0 what comes before, 1 what comes a step r T before that. Floor: the true stem of another song; codec: the true "
            "stem encoded and decoded. Silence error: less is better. Measured by `liveband evaluate --windows`."
        ), "",
        f"| {' | '.join(head)} |", "|" + "---|" * len(head),
    ]  # fmt: skip
    for row in figure["windows"]:
        at = [f"{row['look_ahead']}", f"{row['ratio']:g}"] if row["conditions"] else ["", ""]
        told = PLACES.get(row["conditions"], row["conditions"])
        scores = [_number(row["scores"].get(name)) for name in shown]
        cells = [row["stem"], *at, row["who"], told, *scores, _number(row["frechet"]), str(row["excerpts"])]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _ranking(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What `--compare` found: one column per model, the best in bold."""
    models = list(dict.fromkeys(one["model"] for row in rows for one in row["ranked"]))
    lines = [
        "At equal numbers of excerpts, the same ones; the best in bold. A whole mix repeated agrees with the key by its making.", "",
        f"| stem | told | metric | {' | '.join(models)} |", "|" + "---|" * (len(models) + 3),
    ]  # fmt: skip
    for row in rows:
        scores = {one["model"]: one["score"] for one in row["ranked"]}
        best = (min if row["less_is_better"] else max)(scores.values())
        cells = [
            f"**{_number(scores[m])}**" if scores.get(m) == best else _number(scores.get(m)) for m in models
        ]
        told = PLACES.get(row["conditions"], row["conditions"])
        lines.append(f"| {row['stem']} | {told} | {_title(row['metric'])} | {' | '.join(cells)} |")
    return lines


def _listed(figure: Any) -> list[dict[str, Any]] | None:
    """The list of objects that a figure is, or that is the only one in it (drift, reaction)."""
    lists = [figure] if isinstance(figure, list) else []
    if isinstance(figure, dict):
        lists = [value for key, value in figure.items() if key != "settings" and isinstance(value, list)]
    good = len(lists) == 1 and lists[0] and all(isinstance(row, dict) for row in lists[0])
    return lists[0] if good else None


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """With the entries of objects within it as entries of its own, one level down."""
    result: dict[str, Any] = {}
    for key, value in row.items():
        result |= value if isinstance(value, dict) else {key: value}
    return result


def _baseline(result: dict[str, Any]) -> bool:
    return str(result["model"]).startswith("baseline")


def _without_curves(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Less the sweeps over the anticipation, which have fewer excerpts, where the same stem was measured without."""
    plain = [r for r in results if len({row["anticipation_ms"] for row in r["rows"]}) == 1]
    stems = {row["stem"] for r in plain if not _baseline(r) for row in r["rows"]}
    return [r for r in results if r in plain or not {row["stem"] for row in r["rows"]} <= stems]


def _main_anticipation(result: dict[str, Any]) -> float:
    """The one nearest to 40 ms: A*H <= 50 ms is what the figures are stated for."""
    return min((float(row["anticipation_ms"]) for row in result["rows"]), key=lambda ms: abs(ms - 40))


def _who(result: dict[str, Any], row: dict[str, Any]) -> str:
    told = PLACES.get(row["conditions"], row["conditions"])
    return f"{result['model'] if _baseline(result) else '**ours**'}, {told}"


def _title(metric: str) -> str:
    shown = SHOWN.get(metric, metric.replace("_", " "))
    return shown[:1].upper() + shown[1:]


def _number(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, list) and len(value) == 2:
        return _span(value)
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _span(pair: Sequence[float | None]) -> str:
    return " to ".join(_number(value) for value in pair)
