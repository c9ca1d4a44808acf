# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes golden files (`lbmodels.parity`) of StreamMusicGen, its codec, its baseline and SilentMetronome."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lbmodels.families.streamgen import published, published_lm
from lbmodels.families.streamgen.baseline import Baseline
from lbmodels.families.streamgen.beats import BeatGrid, beat_window
from lbmodels.families.streamgen.codec import Dac
from lbmodels.families.streamgen.decoder import Decoder, sharpen
from lbmodels.families.streamgen.generation import Played, play, play_chunks
from lbmodels.families.streamgen.pattern import delay, undelay
from lbmodels.families.streamgen.trunk import Trunk
from lbmodels.parity.case import Case

Outputs = dict[str, Tensor]


def run(case: Case) -> dict[str, NDArray[Any]]:
    """Every output of the case, complete or the slice that its notes tell."""
    with torch.inference_mode():
        outputs = _runner(case)(case)
    return {name: value.numpy() for name, value in outputs.items() if name in case.outputs}


def _runner(case: Case) -> Any:
    """By what the case holds, so that no file's name matters."""
    keys = case.keys
    if any(name.startswith("quantizer.") for name in keys):
        return _codec
    if "beat_frames" in case.inputs:
        return _beats
    if any(name.startswith("encoder.attn_layers") for name in keys):
        return _baseline
    if "output_emb.emb.weight" not in keys:
        return _trunk
    return _prefix if int(case.config.get("chunk_length", 1)) > 1 else _decoder


def _tensors(case: Case) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in case.weights().items()}


def _input(case: Case, name: str) -> Tensor:
    array = case.inputs[name]
    return torch.from_numpy(array.astype(np.int64 if array.dtype.kind in "iu" else np.float32))


def _codec(case: Case) -> Outputs:
    sizes = published.dac_config(case.keys, int(case.config.get("sample_rate", 32_000)))
    codec = Dac(sizes)
    published.load(codec, published.dac_tensors(sizes, _tensors(case)))
    samples = torch.atleast_2d(_input(case, "audio"))
    latents = codec.encoder(codec.blocks(samples))
    embedding = codec.embed(_input(case, "codes").transpose(1, 2))
    stored = slice(None, None, int(case.config.get("latent_channel_step", 1)))
    return {
        "latent": latents.transpose(1, 2)[:, stored],
        "codes": codec.quantise(latents).transpose(1, 2),
        "code_embedding": embedding.transpose(1, 2),
        "decoded_raw": codec.decoder.ring_on(embedding),
        "roundtrip": codec.round_trip(samples).unsqueeze(1),
    }


def _load_decoder(case: Case) -> Decoder:
    sizes = published_lm.decoder_config(
        case.keys,
        future_visibility=int(case.config["future_visibility"]),
        chunk=int(case.config.get("chunk_length", 1)),
        window=_longest(case),
    )
    decoder = Decoder(sizes)
    published.load(decoder, published_lm.renamed(published_lm.decoder_names(sizes), _tensors(case)))
    return decoder


def _longest(case: Case) -> int:
    """A window that nothing in the case outgrows: the published generators have none."""
    frames = case.inputs["tokens"].shape[-1]
    return int(frames + abs(case.config["future_visibility"]) + case.config.get("greedy_steps", 0) + 2)


def _undelayed_logits(logits: Tensor) -> Tensor:
    """[B, Q, S, V] at positions -> entry (q, t) is what was said at position t + q, NaN past the end."""
    found = torch.full_like(logits, float("nan"))
    for q in range(min(logits.shape[1:3])):
        found[:, q, : logits.shape[2] - q] = logits[:, q, q:]
    return found


def _decoder(case: Case) -> Outputs:
    decoder = _load_decoder(case)
    config, frames = case.config, _input(case, "tokens")
    heard, instruments = _input(case, "input_emb"), _input(case, "instrument")
    count = frames.shape[2]
    lead = max(0, int(config["future_visibility"]) - 1)
    steps = delay(frames, instruments)
    steps = torch.cat([steps.new_zeros(*steps.shape[:2], lead), steps], dim=2)[..., :count]
    logits = _undelayed_logits(decoder(steps, decoder.line_up(heard)[:, :count]))
    reached = torch.arange(count) + torch.arange(frames.shape[1]).unsqueeze(1) < count
    outputs = {
        "logits": logits,
        "mask": reached.expand(frames.shape),
        "argmax": logits.nan_to_num().argmax(-1),
        "logsumexp": logits.logsumexp(-1),
    }
    if "positions" in case.inputs:
        outputs["logits_slice"] = logits[:, :, _input(case, "positions")][..., _input(case, "ids")]
    length = int(config.get("greedy_steps", 0))
    if length:
        run = play(decoder, heard, instruments, length)
        outputs |= {
            "greedy_frames": undelay(run.steps),
            "greedy_steps": run.steps,
            "greedy_logits": run.logits,
            "greedy_margin": _margin(run.logits),
        }
        if "top_k" in config:
            last = run.logits[:, :, -1]
            outputs["topk_probs"] = sharpen(last, int(config["top_k"]), float(config["temperature"]))
    if "guidance_scale" in config:
        run = play(decoder, heard, instruments, length, guidance=float(config["guidance_scale"]))
        outputs |= {"cfg_frames": undelay(run.steps), "cfg_margin": _margin(run.logits)}
    if "prompt_frames" in config:
        first = int(config["prompt_frames"])
        run = play(decoder, heard, instruments, length, prompt=frames[..., :first])
        outputs |= {"prompt_frames": undelay(run.steps), "prompt_margin": _margin(run.logits[:, :, first:])}
    return outputs


def _margin(logits: Tensor) -> Tensor:
    best = logits.topk(2, dim=-1).values
    return best[..., 0] - best[..., 1]


def _prefix(case: Case) -> Outputs:
    decoder = _load_decoder(case)
    config, frames = case.config, _input(case, "tokens")
    heard, instruments = _input(case, "input_emb"), _input(case, "instrument")
    chunk, future = int(config["chunk_length"]), int(config["future_visibility"])
    lead = max(0, future - 1)
    committed = int(config["context_frames"]) + 1
    condition = _condition(case, decoder)
    steps = delay(frames, instruments)
    padded = torch.cat([steps.new_zeros(*steps.shape[:2], lead), steps], dim=2)
    known = lead + committed
    fused = decoder.fuse(padded[..., :known], decoder.line_up(heard)[:, :known])
    x = torch.cat([fused, decoder.tentative(padded[..., known : known + chunk - 1])], dim=1)
    hidden = decoder.trunk(x, None if condition is None else condition[:, : x.shape[1]])
    targets = steps[..., committed : committed + chunk]
    place = committed + torch.arange(chunk)
    outputs = {
        "logits": decoder.logits(hidden[:, known - 1 :]),
        "targets": targets,
        "mask": (place - 1 >= torch.arange(frames.shape[1]).unsqueeze(1)).expand(targets.shape),
    }
    if condition is not None:
        outputs["condition"] = condition
    run = play_chunks(decoder, heard, instruments, int(config["greedy_steps"]), condition=condition)
    # The published generator drops one column more than it has padding, where it has any.
    as_published = Played(run.steps[..., 1:] if future > 0 else run.steps, run.logits)
    return outputs | {
        "greedy_steps": as_published.steps,
        "greedy_frames": undelay(as_published.steps),
        "greedy_logits": run.logits,
        "greedy_logits_clean": run.logits,
        "greedy_margin": _margin(run.logits),
        "clean_steps": run.steps,
        "clean_frames": undelay(run.steps),
    }


def _condition(case: Case, decoder: Decoder) -> Tensor | None:
    if decoder.beats is None:
        return None
    phases, local = _input(case, "beat_cond"), _input(case, "local_bpm_log").unsqueeze(1)
    whole = [_input(case, name).float() for name in ("bpm_log", "time_sig_change", "tempo_change")]
    frames = phases.shape[0]
    numbers = torch.cat([phases, local, *(value.expand(frames, 1) for value in whole)], dim=1)
    metre = [_input(case, name).expand(1, frames) for name in ("time_sig_num", "time_sig_den")]
    projected: Tensor = decoder.beats(numbers.unsqueeze(0), *metre)
    if decoder.config.future_visibility > 0:
        return projected
    late = -decoder.config.future_visibility
    return torch.cat([projected[:, :1].expand(-1, late + 1, -1), projected[:, : frames - late]], dim=1)


def _trunk(case: Case) -> Outputs:
    x, condition = _input(case, "x"), _input(case, "condition")
    sizes = published_lm.trunk_config(case.keys, "decoder.", x.shape[1])
    trunk = Trunk(sizes)
    published.load(trunk, published_lm.renamed(published_lm.trunk_names(sizes, "decoder."), _tensors(case)))
    return {"hidden": trunk(x, condition), "hidden_zero_condition": trunk(x, torch.zeros_like(condition))}


def _baseline(case: Case) -> Outputs:
    sizes = published_lm.baseline_config(case.keys)
    model = Baseline(sizes)
    published.load(model, published_lm.renamed(published_lm.baseline_names(sizes), _tensors(case)))
    tokens, heard, who = (_input(case, name) for name in ("tokens", "input_emb", "instrument"))
    return {
        "logits": model(tokens, heard, who),
        "logits_null_input": model(tokens, torch.zeros_like(heard), who),
    }


def _beats(case: Case) -> Outputs:
    told = case.inputs
    grid = BeatGrid(
        starts=told["beat_frames"],
        lengths=told["beat_lengths"],
        bpm=told["tempo_bpm"],
        in_bar=told["bar_positions"],
        numerators=told["time_sig_numerators"],
        denominator=int(told["time_signature"][1]),
    )
    outputs: Outputs = {}
    for i, (start, frames) in enumerate(told["windows"]):
        found = beat_window(grid, int(start), int(frames))
        summary = (found.tempo, found.numerator, found.denominator, found.metre_changes, found.tempo_changes)
        outputs[f"beat_cond_{i}"] = torch.from_numpy(found.phases)
        outputs[f"beat_phase_{i}"] = torch.from_numpy(found.beat_phase)
        outputs[f"bar_phase_{i}"] = torch.from_numpy(found.bar_phase)
        outputs[f"summary_{i}"] = torch.tensor([float(value) for value in summary])
    return outputs
