# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell around whatever model plays: rests with the player, half and double time, a performer's gestures. Live and
offline use the same.

An accompanist itself: its state is the model's with a few numbers a row beside it, so that batches, rows and snapshots
hold both.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Accompanist, Audio
from lbmodels.contract.conditions import Conditions
from lbmodels.contract.spec import Spec
from lbserver.errors import LiveBandError
from lbserver.files import saved_state
from lbserver.music import feel, gestures, rests
from lbserver.music.feel import Beat, FeelState
from lbserver.music.gestures import GestureState, Wish
from lbserver.music.rests import RestState
from lbserver.protocol.controls import BY_NAME, FEELS, SILENCES

_USUAL_BEAT_S = 0.5
_BEAT_S = (0.2, 1.5)  # shortest and longest that a rest is counted in
_WISHES = {"play": 1.0, "fade": BY_NAME["fade"].default, "intensity": gestures.NEUTRAL, "count_in": 0.0}
"""Conditions of the shell's own for `Wish`, and what they are where they are not told."""
_MOVED = ("density", "brightness")  # by the intensity
_WIDTHS = (len(RestState._fields), len(FeelState._fields), len(GestureState._fields))


class State(NamedTuple):
    """The model's state, and the shell's, a row for each of its."""

    model: Any
    rests: RestState
    feel: FeelState
    gestures: GestureState


def accompanies(spec: Spec) -> bool:
    """Whether it plays along with a player, and so rests when he does; a stream of a whole band plays by itself."""
    return "injection" not in spec.conditions


def shell_conditions(controls: Mapping[str, float], *, live: bool) -> dict[str, float]:
    """The controls of the shell as conditions: `rests` 1 or 0, `time_feel` as a factor, gestures as they are set."""
    silence = SILENCES[int(controls.get("when_silent", BY_NAME["when_silent"].default))]
    rest = silence == "rest" or (silence == "auto" and live)
    factor = feel.FACTORS[int(controls.get("time_feel", FEELS.index("as_heard")))]
    wishes = {name: controls.get(name, BY_NAME[name].default) for name in ("fade", "intensity", "count_in")}
    plays = 1.0 - controls.get("tacet", BY_NAME["tacet"].default)
    return {"rests": float(rest), "time_feel": factor, "play": plays, **wishes}


class Shell:
    """An accompanist in its shell."""

    def __init__(self, accompanist: Accompanist) -> None:
        self._played = accompanist
        spec = self.spec = accompanist.spec
        self._frame_s = spec.hop / spec.sample_rate

    spec: Spec

    def init_state(self, seeds: Sequence[int]) -> State:
        rows = len(seeds)
        return self._around(self._played.init_state(seeds), rows)

    def step(
        self, mix: Audio, conditions: Conditions, state: State, active: NDArray[np.bool_]
    ) -> tuple[Audio, State]:
        own = self._played.heard_beat(state.model)
        known, feeling, told, tempo = self._felt(conditions, own, state.feel, active)
        wishes = {name: _column(conditions, name, own.shape[:2], usual) for name, usual in _WISHES.items()}
        known = self._moved(known, wishes["intensity"])
        stem, model = self._played.step(mix, known, state.model, active)
        beat_s = np.where(tempo > 0, 60.0 / np.maximum(tempo, 1.0), _USUAL_BEAT_S).clip(*_BEAT_S)
        wish = _column(conditions, "rests", own.shape[:2], 0.0).astype(np.float64)
        rows = np.stack(state.gestures, axis=1)
        pieces, resting = [], state.rests
        for frame in range(self.spec.chunk_frames):
            here = slice(frame * self.spec.hop, (frame + 1) * self.spec.hop)
            played, resting = rests.step(
                mix[..., here],
                stem[..., here],
                frame_s=self._frame_s,
                beat_s=beat_s[:, frame],
                rests=wish[:, frame],
                state=resting,
                active=active,
            )
            for row in np.flatnonzero(active):
                asked = Wish(**{name: float(values[row, frame]) for name, values in wishes.items()})
                heard = gestures.step(
                    played[row], Beat(*told[row, frame]), asked, self.spec.sample_rate, rows[row]
                )
                if not np.shares_memory(heard, played):
                    played = played.copy() if np.shares_memory(played, stem) else played
                    played[row] = heard
            pieces.append(played)
        stem = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-1)
        after = GestureState(*(np.ascontiguousarray(values) for values in rows.T))
        return stem, State(model, resting, feeling, after)

    def heard_beat(self, state: State) -> NDArray[np.float64]:
        return self._played.heard_beat(state.model)

    def heard_chord(self, state: State) -> NDArray[np.float64]:
        return self._played.heard_chord(state.model)

    def join(self, states: Sequence[State]) -> State:
        if len(states) == 1:
            return states[0]
        return State(
            self._played.join([state.model for state in states]),
            RestState(*(np.concatenate(values) for values in zip(*(s.rests for s in states), strict=True))),
            FeelState(*(np.concatenate(values) for values in zip(*(s.feel for s in states), strict=True))),
            GestureState(
                *(np.concatenate(values) for values in zip(*(s.gestures for s in states), strict=True))
            ),
        )

    def row(self, state: State, index: int) -> State:
        at = slice(index, index + 1)
        return State(
            self._played.row(state.model, index),
            RestState(*(values[at].copy() for values in state.rests)),
            FeelState(*(values[at].copy() for values in state.feel)),
            GestureState(*(values[at].copy() for values in state.gestures)),
        )

    def snapshot(self, state: State) -> bytes:
        shell = np.stack([*state.rests, *state.feel, *state.gestures], axis=1)
        return saved_state.pack({"model": self._played.snapshot(state.model), "shell": shell.tobytes()})

    def compact(self, snapshot: bytes) -> bytes:
        saved = saved_state.unpack(snapshot)
        return saved_state.pack(saved | {"model": self._played.compact(saved["model"])})

    def restore(self, snapshot: bytes) -> State:
        saved = _sections(snapshot)
        if saved is None:  # of a time without a shell
            model = self._played.restore(snapshot)
            return self._around(model, self._rows(model))
        model = self._played.restore(saved["model"])
        rows = self._rows(model)
        width = len(saved["shell"]) / (8 * rows)
        if width not in (sum(_WIDTHS), sum(_WIDTHS[:2])):  # of a time without gestures
            raise LiveBandError(
                f"these bytes are not a state: the shell remembers {len(saved['shell']) // 8} numbers, and {rows} sessions "
                f"have {sum(_WIDTHS)} each"
            )
        values = np.frombuffer(saved["shell"], np.float64).reshape(rows, -1).T.copy()
        parts = np.split(values, np.cumsum(_WIDTHS)[:2])
        resting, feeling = RestState(*parts[0]), FeelState(*parts[1])
        shown = GestureState(*parts[2]) if len(parts[2]) else gestures.init_state(rows)
        if not (rests.is_sound(resting) and feel.is_sound(feeling) and gestures.is_sound(shown)):
            raise LiveBandError("these bytes are not a state: what the shell remembers is damaged")
        return State(model, resting, feeling, shown)

    def _rows(self, model: Any) -> int:
        return len(self._played.heard_beat(model))

    def _around(self, model: Any, rows: int) -> State:
        return State(model, rests.init_state(rows), feel.init_state(rows), gestures.init_state(rows))

    def _moved(self, conditions: Conditions, intensity: Audio) -> Conditions:
        """The conditions with the model's knobs where the intensity [B, k] puts them."""
        known = {control.name for control in self.spec.controls}
        if (intensity == gestures.NEUTRAL).all():
            return conditions
        moved = {
            name: np.vectorize(gestures.meant, otypes=[np.float32])(
                _column(conditions, name, intensity.shape, np.nan), intensity
            )[..., None]
            for name in _MOVED
            if name in known
        }
        return {**conditions, **moved}

    def _felt(
        self, conditions: Conditions, own: NDArray[np.float64], before: FeelState, active: NDArray[np.bool_]
    ) -> tuple[Conditions, FeelState, NDArray[np.float64], NDArray[np.float64]]:
        """The conditions as the model is to know them, the state after them, beat and bar phase and tempo [B, k, 3] as they are
        told or heard, and the tempo [B, k] that is played.

        Where the host tells no tempo it is the model's own beat, `own` [B, k, 4], that is retold to it.
        """
        rows, frames = np.stack(before, axis=1), own.shape[:2]
        beat, bar, tempo = (
            _column(conditions, name, frames, np.nan) for name in ("beat_phase", "bar_phase", "tempo")
        )
        scale = np.ones(frames, np.float32)
        beats = np.full((*frames, 3), np.nan)
        played = np.full(frames, np.nan)
        wishes = _column(conditions, "time_feel", frames, 1.0)
        for row in np.flatnonzero(active):
            for at in ((row, frame) for frame in range(frames[1])):
                hosted = np.isfinite(tempo[at]) or np.isfinite(beat[at])
                told = (
                    Beat(float(beat[at]), float(bar[at]), float(tempo[at])) if hosted else Beat(*own[at][:3])
                )
                beats[at] = told
                wish = float(wishes[at])
                felt = feel.retold(told, wish if wish in feel.FACTORS else 1.0, rows[row])
                played[at] = felt.tempo
                if felt == told or rows[row, 0] == 1.0:
                    continue
                beat[at], bar[at] = _phase(felt.beat), _phase(felt.bar)
                if hosted:
                    tempo[at] = felt.tempo
                else:
                    scale[at] = rows[row, 0]
        retold = {"beat_phase": beat, "bar_phase": bar, "tempo": tempo, "tempo_scale": scale}
        known = {**conditions, **{name: value[..., None] for name, value in retold.items()}}
        return known, FeelState(*(np.ascontiguousarray(values) for values in rows.T)), beats, played


def _column(conditions: Conditions, name: str, frames: tuple[int, ...], otherwise: float) -> Audio:
    """A copy [B, k] of a condition one wide, `otherwise` where it is not told."""
    if name not in conditions:
        return np.full(frames, otherwise, np.float32)
    told = np.array(conditions[name][..., 0], np.float32)
    return told if otherwise != otherwise else np.where(np.isnan(told), np.float32(otherwise), told)


def _phase(phase: float) -> np.float32:
    """As float32 holds it: a hair below 1 rounds to 1, which is 0 again."""
    single = np.float32(phase)
    return np.float32(0.0) if single >= 1.0 else single


def _sections(snapshot: bytes) -> dict[str, bytes] | None:
    try:
        saved = saved_state.unpack(snapshot)
    except LiveBandError:
        return None
    return saved if {"model", "shell"} <= saved.keys() else None
