# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: the bundled song with the band on it, as audio files and one picture."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lbmodels.contract.accompanist import Accompanist
from lbserver.commands.picture import draw
from lbserver.engine.bounce import MIX, BounceReport, BounceRequest, bounce
from lbserver.errors import LiveBandError
from lbserver.files.documents import read_json
from lbserver.music.conditions import BeatMap, HostKnowledge
from lbserver.music.notation.files import ChordSpan
from lbserver.music.notation.labels import parse_label


@dataclass(frozen=True, kw_only=True)
class Song:
    """A recording with what is known of it: `truth` may be told to the model or not."""

    path: Path
    truth: HostKnowledge


def bundled_song() -> Song:
    """The song that comes with LiveBand, made by our own renderer."""
    return read_song(Path(str(resources.files("lbserver"))) / "assets" / "demo_song.flac")


def read_song(path: Path) -> Song:
    """A recording and the JSON beside it: `beats` [s], `beat_in_bar` from 1, `chords` [[start, end, label]],
    and `key` (0..23) if it has one.

    Raises LiveBandError when either is missing or malformed.
    """
    notes = path.with_suffix(".json")
    for needed in (path, notes):
        if not needed.is_file():
            raise LiveBandError(f"the demo song is incomplete, {needed} is missing: install LiveBand again")
    try:
        known = read_json(notes.read_text(encoding="utf-8"))
        times = [float(time) for time in known["beats"]]
        numbers = [int(number) for number in known["beat_in_bar"]]
        # The end of the last beat is not listed: it lasts as long as the one before.
        times.append(2 * times[-1] - times[-2])
        numbers.append(numbers[-1] % max(numbers) + 1)
        beat = BeatMap(beats_s=tuple(times), beat_in_bar=tuple(numbers))
        spans = tuple(
            ChordSpan(start_s=float(start), end_s=float(end), chord=parse_label(label))
            for start, end, label in known["chords"]
        )
        key = None if known.get("key") is None else int(known["key"])
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise LiveBandError(f"{notes} is not a description of the demo song: {error!r}") from error
    return Song(path=path, truth=HostKnowledge(beat=beat, spans=spans, key=key))


def run_demo(
    folder: Path,
    accompanist: Accompanist,
    *,
    seed: int = 0,
    song: Song | None = None,
    progress: Callable[[float, float], None] = lambda _done_s, _total_s: None,
) -> tuple[BounceReport, Path]:
    """Bounce every stem over the song, told its beats, chords and key, into `folder`; returns the report and the picture.

    Writes demo_<stem>.wav, demo_mix.wav and demo.png. Raises LiveBandError.
    """
    song = song or bundled_song()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LiveBandError(f"cannot make the folder {folder}: {error.strerror}") from error
    stems = accompanist.spec.stems
    request = BounceRequest(
        source=song.path,
        stems=stems,
        outputs={name: folder / f"demo_{name}.wav" for name in (*stems, MIX)},
        knowledge=song.truth,
        seed=seed,
    )
    report = bounce(request, accompanist, progress)
    picture = folder / "demo.png"
    draw(report, song.truth, picture)
    return report, picture
