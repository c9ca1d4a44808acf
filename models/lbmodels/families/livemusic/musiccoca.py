# SPDX-License-Identifier: GPL-3.0-or-later
"""Style tokens of Magenta RealTime 2: by MusicCoCa where its files and ai-edge-litert are there, else from a token file.

Text is lower-cased and split by the published SentencePiece vocabulary; audio goes in as ten seconds of 16 kHz mono at a
time. Prompts are mixed as vectors of 768 numbers, then coded into 12 tokens, coarse first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic.conditioning import STYLE_CODES, STYLE_LEVELS

Floats = NDArray[np.float32]
FEATURES = 768
TEXT_IDS = 128
START_ID = 1
CLIP_RATE = 16_000
CLIP_SAMPLES = 160_000
_INSTALL = "pip install ai-edge-litert sentencepiece, or give a token file"


def read_token_file(path: Path) -> dict[str, tuple[int, ...]]:
    """Named prompts, JSON: {"upright bass": [12 whole numbers 0 to 1023], ...}; fewer tokens leave the fine ones open.

    Raises:
        LiveBandModelError: not there, not of that form, or tokens out of range, with the prompt's name.
    """
    try:
        table = read_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LiveBandModelError(f"token file {path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:
        raise LiveBandModelError(f"token file {path}: not JSON ({error})") from None
    wanted = f'accepted is {{"prompt": [1 to {STYLE_LEVELS} whole numbers 0 to {STYLE_CODES - 1}]}}'
    if not isinstance(table, dict) or not table:
        raise LiveBandModelError(f"token file {path}: {wanted}")
    for name, tokens in table.items():
        right = isinstance(tokens, list) and 1 <= len(tokens) <= STYLE_LEVELS
        if not right or not all(type(token) is int and 0 <= token < STYLE_CODES for token in tokens):
            raise LiveBandModelError(f"token file {path}: {name[:80]!r}: {wanted}")
    return {name: tuple(tokens) for name, tokens in table.items()}


class MusicCoCa:
    """The published networks of one folder, each loaded when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, Any] = {}

    def _file(self, name: str) -> str:
        path = self.folder / name
        if not path.is_file():
            raise LiveBandModelError(f"MusicCoCa: {path} is missing; {_INSTALL}")
        return str(path)

    def _kept(self, name: str, make: Callable[[str], Any]) -> Any:
        if name not in self._loaded:
            path = self._file(name)
            try:
                self._loaded[name] = make(path)
            except LiveBandModelError:
                raise
            except (RuntimeError, ValueError, OSError) as error:
                line = " ".join(str(error).split())[:100]
                raise LiveBandModelError(
                    f"MusicCoCa: {path} is damaged or of another kind ({line})"
                ) from None
        return self._loaded[name]

    def _network(self, name: str) -> Any:
        def make(path: str) -> Any:
            try:
                from ai_edge_litert.interpreter import Interpreter
            except ImportError:
                raise LiveBandModelError(f"MusicCoCa needs ai-edge-litert: {_INSTALL}") from None
            network = Interpreter(model_path=path, num_threads=1)
            network.allocate_tensors()
            return network

        return self._kept(name, make)

    def _call(self, name: str, *values: NDArray[Any]) -> NDArray[Any]:
        """The first output for inputs that are told apart by their type."""
        network = self._network(name)
        places = {np.dtype(place["dtype"]): place for place in network.get_input_details()}
        for value in values:
            place = places.get(value.dtype)
            if place is None or int(np.prod(place["shape"])) != value.size:
                raise LiveBandModelError(
                    f"MusicCoCa: {name} does not take {value.size} numbers of {value.dtype}"
                )
            network.set_tensor(place["index"], value.reshape(place["shape"]))
        network.invoke()
        result: NDArray[Any] = network.get_tensor(network.get_output_details()[0]["index"])
        return result

    def _words(self, text: str) -> list[int]:
        def make(path: str) -> Any:
            try:
                import sentencepiece
            except ImportError:
                raise LiveBandModelError(f"MusicCoCa's text needs sentencepiece: {_INSTALL}") from None
            return sentencepiece.SentencePieceProcessor(model_file=path)

        ids: list[int] = self._kept("spm.model", make).encode(text.lower())
        return ids

    def of_text(self, text: str) -> Floats:
        """[768]."""
        ids = [START_ID, *self._words(text)[: TEXT_IDS - 1]]
        row, pad = np.zeros(TEXT_IDS, np.int32), np.ones(TEXT_IDS, np.float32)
        row[: len(ids)], pad[: len(ids)] = ids, 0.0
        return self._call("text_encoder.tflite", row, pad).reshape(-1).astype(np.float32)

    def of_sound(self, audio: Floats, sample_rate: int) -> Floats:
        """[768], the mean over clips of ten seconds of samples [N] or [N, channels], the last one filled with silence."""
        mono = audio.mean(1) if audio.ndim == 2 else audio
        mono = soxr.resample(mono.astype(np.float32), sample_rate, CLIP_RATE)
        if not len(mono):
            raise LiveBandModelError("audio prompt: it holds no samples")
        clips = np.pad(mono, (0, -len(mono) % CLIP_SAMPLES)).reshape(-1, CLIP_SAMPLES)
        heard = [
            self._call("music_encoder.tflite", self._call("audio_preprocessor.tflite", clip))
            for clip in clips
        ]
        mean: Floats = np.mean([one.reshape(-1) for one in heard], axis=0, dtype=np.float32)
        return mean

    def tokens(self, vectors: Sequence[Floats], weights: Sequence[float]) -> tuple[int, ...]:
        """12 tokens of a weighted mean of vectors [768].

        Raises:
            LiveBandModelError: weights that are not one for each vector, negative, or all 0.
        """
        total = sum(weights)
        if len(vectors) != len(weights) or not total > 0 or min(weights) < 0:
            raise LiveBandModelError(f"style: weights must be 0 or more and not all 0, not {list(weights)}")
        mean = sum(v * np.float32(w / total) for v, w in zip(vectors, weights, strict=True))
        coded = self._call("pretrained_vector_quantizer.tflite", np.asarray(mean, np.float32))
        return tuple(int(token) for token in coded.reshape(-1)[:STYLE_LEVELS])
