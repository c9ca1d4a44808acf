# SPDX-License-Identifier: GPL-3.0-or-later
"""Acquire loads and release stores of 64-bit words in shared memory, from Python.

A plain numpy access is neither ordered nor, by any promise, one access: on ARM the samples behind a cursor could
be seen after it. Compiled by numba once and cached; a call costs about 0.2 us.
"""

from lbserver.host.compiled import compiled, intrinsic, types


@intrinsic
def _load(typingctx, address):  # type: ignore[no-untyped-def]  # noqa: ARG001 (numba's signature)
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        word = context.get_value_type(types.uint64)
        pointer = builder.inttoptr(arguments[0], word.as_pointer())
        return builder.load_atomic(pointer, "acquire", 8)

    return types.uint64(types.uint64), generate


@intrinsic
def _store(typingctx, address, value):  # type: ignore[no-untyped-def]  # noqa: ARG001 (numba's signature)
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        word = context.get_value_type(types.uint64)
        pointer = builder.inttoptr(arguments[0], word.as_pointer())
        builder.store_atomic(arguments[1], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint64), generate


@compiled("uint64(uint64)")
def load_acquire(address: int) -> int:
    """The word at an 8-aligned address; what its writer stored before it is visible after this."""
    return _load(address)  # type: ignore[call-arg]


@compiled("void(uint64, uint64)")
def store_release(address: int, value: int) -> None:
    """Write the word; all that was stored before is visible to who loads it."""
    _store(address, value)  # type: ignore[call-arg]
