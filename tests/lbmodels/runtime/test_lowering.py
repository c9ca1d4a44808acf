# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations one by one: torch's answer against the graph's, where the two libraries mean different things."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from lbmodels.errors import NotExportableError
from lbmodels.runtime.builder import Builder
from lbmodels.runtime.lowering import Lowering
from lbmodels.runtime.matrices import Matrices, quantise
from lbmodels.streaming.stacked import as_complex, stacked, times


class Function(nn.Module):
    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def lowered(function: Callable[..., Tensor], x: Tensor) -> Callable[[np.ndarray], np.ndarray]:
    """The function as a graph for any batch."""
    batch = torch.export.Dim("batch", min=1, max=64)
    with torch.no_grad():
        program = torch.export.export(Function(function), (x,), dynamic_shapes=({0: batch},), strict=False)
    builder = Builder()
    given = builder.input("x", (None, *x.shape[1:]), x.dtype)
    lowering = Lowering(builder, given, Matrices(bits=32))
    targets = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            lowering.values[node] = given if node.name == "x" else program.constants[targets[node.name]]
        elif node.op == "call_function":
            lowering.run(node)
        else:
            builder.output("y", builder.value(lowering.solid(node.args[0][0])))
            shape = tuple(node.args[0][0].meta["val"].shape[1:])
    session = onnxruntime.InferenceSession(builder.model("one").SerializeToString())

    def run(values: np.ndarray) -> np.ndarray:
        (found,) = session.run(None, {"x": values})
        # One number a row has an axis of its own in the graph.
        return found.reshape(-1, *shape)

    return run


def agrees(function: Callable[..., Tensor], x: Tensor, tolerance: float = 1e-5) -> None:
    run = lowered(function, x)
    np.testing.assert_allclose(run(x.numpy()), function(x).numpy(), atol=tolerance, rtol=tolerance)
    alone = x[:1].contiguous()
    np.testing.assert_allclose(run(alone.numpy()), function(alone).numpy(), atol=tolerance, rtol=tolerance)


def table(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


KEPT = table(12, 5)
WHOLE = torch.tensor([[-9, -8, -1, 0], [1, 7, 2**40 + 3, -(2**40) - 3], [5, 3, 2, -2]])
PHASES = torch.tensor(
    [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [0.0, 2.0], [0.0, -2.0], [0.0, 0.0]]
)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x >> 2,
        lambda x: (x & 0xFFFF) >> 3,
        lambda x: x % 5,
        lambda x: (x ^ (x >> 1)) & 0xFFFFFFFF,
        lambda x: (x * 0x7FEB352D) & 0xFFFFFFFF,
        lambda x: torch.where(x > 1, x, -x),
    ],
)
def test_whole_numbers_wrap_shift_and_divide_as_in_torch(function: Callable[..., Tensor]) -> None:
    """A shift is no division that rounds to zero, and the noise multiplies past 64 bits."""
    np.testing.assert_array_equal(lowered(function, WHOLE)(WHOLE.numpy()), function(WHOLE).numpy())


def test_the_angle_is_right_in_every_quadrant() -> None:
    agrees(lambda x: torch.view_as_complex(x.contiguous()).angle(), PHASES)


@pytest.mark.parametrize("length", [48, 60, 480, 1920])
def test_fourier_transforms_there_and_back(length: int) -> None:
    agrees(lambda x: torch.view_as_real(torch.fft.rfft(x)), table(3, 2, length), 2e-4)
    agrees(lambda x: torch.view_as_real(torch.fft.rfft(x)[..., :7]), table(3, 2, length), 2e-4)
    agrees(lambda x: torch.fft.irfft(torch.fft.rfft(x) * (0.5 + 0.25j), n=length), table(3, length), 2e-4)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.view_as_real(torch.polar(torch.ones_like(x), x) * torch.polar(x.abs(), 3 * x).conj()),
        lambda x: torch.polar(x.abs(), x).abs().square(),
        lambda x: x.unfold(-1, 4, 2).sum(-2),
        lambda x: x.cumsum(-1)[..., [0, 0, 3, 11]],
        lambda x: x.topk(5)[0] * (2 * x).gather(-1, x.topk(5)[1]),
        lambda x: (x < 0.3).sum(-1, keepdim=True) * x,
        lambda x: torch.nn.functional.pad(x, (2, 1)),
        lambda x: x % 0.7,
        lambda x: torch.nn.functional.one_hot(x.abs().long().clamp(0, 3), 4) * x.unsqueeze(-1),
        lambda x: torch.nn.functional.fold(
            x.reshape(-1, 1, 12).expand(-1, 8, 12), (1, 30), (1, 8), stride=(1, 2)
        ),
        lambda x: x.mean(1, keepdim=True) + x.unsqueeze(1).expand(-1, 5, -1).sum(1),
        lambda x: torch.cat([x, torch.ones_like(x[:, :1]), x.unbind(1)[3].unsqueeze(1)], dim=1),
        lambda x: 10.0**x + x.clamp(min=-0.5, max=0.5).isnan(),
        lambda x: torch.nn.functional.softplus(x).log2() + x.softmax(-1).log10(),
        lambda x: torch.stack([x.mean(1), x[:, 3]], dim=-1) * x.sum(-1).unsqueeze(-1),
        lambda x: x[:, torch.arange(12)][:, 0] + x.argmax(-1),
        lambda x: KEPT[x.argmax(-1)] + KEPT[:, 0][x.argmax(-1)].unsqueeze(-1),
        lambda x: x.flip(-1) + torch.atan2(x, x.flip(1) - 0.1),
        lambda x: times(x.view(-1, 2, 6), stacked(torch.fft.rfft(x)[:, :6])),
        lambda x: torch.fft.irfft(as_complex(torch.nn.functional.pad(x.view(-1, 2, 6), (1, 2))), n=16),
    ],
)
def test_numbers_and_shapes_agree(function: Callable[..., Tensor]) -> None:
    agrees(function, table(3, 12))


def test_what_has_no_handler_is_named() -> None:
    with pytest.raises(NotExportableError, match=r"no graph operation for aten\.erfinv"):
        lowered(lambda x: torch.erfinv(x), table(3, 2))


def test_a_place_in_the_batch_is_not_heard() -> None:
    """Sines of whole packets and of the rest differ in the last bit: rows of odd lengths would feel neighbours."""
    for function in (torch.sin, torch.cos, torch.log, torch.exp, torch.sigmoid, torch.nn.functional.softplus):
        run = lowered(function, table(3, 5))
        x = table(16, 5).abs().numpy()
        whole = run(x)
        for rows in range(1, 16):
            np.testing.assert_array_equal(run(x[:rows]), whole[:rows])


@pytest.mark.parametrize("inputs", [32, 40, 256])
def test_8_bit_weights_are_within_half_a_step(inputs: int) -> None:
    weight = table(6, inputs)
    weight[2] = 0
    steps, scales = quantise(weight, 32)
    back = (steps.float() - 128) * scales.view(6, -1, 1)
    error = (back.flatten(1)[:, :inputs] - weight).abs()
    assert (error <= scales.view(6, -1).repeat_interleave(32, 1)[:, :inputs] / 2 + 1e-7).all()
    assert not back[2].any()


def test_one_thing_is_said_once() -> None:
    """The angles of a position are asked for by every layer."""

    def function(x: Tensor) -> Tensor:
        return sum(x.cos() * n for n in range(1, 5)) + sum(x.sin() for _ in range(3))

    builder: Any = Builder()
    x = builder.input("x", (None, 16), torch.float32)
    for _ in range(3):
        builder.elementwise("Cos", torch.float32, x)
    assert len(builder.nodes) == 1
    agrees(function, table(3, 16))
