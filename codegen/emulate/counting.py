"""Counts executed instructions exactly, at one Python call a translated block.

Unicorn reports each block of straight-line code as it is entered. How many instructions lie in it is decoded
once; after that an entry costs one dictionary look-up and one addition.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

Measure = Callable[[int, int], int]


class BlockCounter:
    """Instructions executed by a unicorn engine.

    Args:
        engine: ``unicorn.Uc``.
        measure: Gives the number of instructions of a block from its address and size in bytes; called once
            for each block before it first executes. What it raises stops the engine and is kept in ``error``.
    """

    def __init__(self, engine: Any, measure: Measure) -> None:
        self.error: BaseException | None = None
        total = 0
        here = (0, 0)
        lengths = _Lengths(measure)

        def enter(_engine: Any, address: int, size: int, _data: Any) -> None:
            nonlocal total, here
            try:
                here = address, size
                total += lengths[here]
            except BaseException as error:
                self.error = error
                engine.emu_stop()

        def state() -> tuple[int, int, int]:
            return total, *here

        self._state = state
        self._measure = measure
        self._callback = add_block_hook(engine, enter)

    @property
    def entered(self) -> int:
        """Instructions of all blocks entered so far, the rest of the current one included."""
        return self._state()[0]

    @property
    def block(self) -> tuple[int, int]:
        """Address and size of the current block."""
        return self._state()[1:]

    def before(self, pc: int) -> int:
        """Instructions executed before the one at ``pc`` in the current block."""
        total, address, size = self._state()
        return total - self._measure(pc, address + size - pc)


class _Lengths(dict[tuple[int, int], int]):
    def __init__(self, measure: Measure) -> None:
        super().__init__()
        self._measure = measure

    def __missing__(self, block: tuple[int, int]) -> int:
        length = self[block] = self._measure(*block)
        return length


def add_block_hook(engine: Any, enter: Callable[[Any, int, int, Any], None]) -> object:
    """Adds a block hook and returns what must outlive it.

    The binding wraps each callback twice, which costs twice as much as the callback itself; where its C
    interface is found as expected the hook goes there directly.
    """
    import unicorn

    try:
        from unicorn.unicorn_py3.unicorn import HOOK_CODE_CFUNC

        callback = HOOK_CODE_CFUNC(enter)
        hook_natively(engine, unicorn.UC_HOOK_BLOCK, callback)
    except (ImportError, AttributeError):
        return engine.hook_add(unicorn.UC_HOOK_BLOCK, enter)
    return callback


def hook_natively(engine: Any, kind: int, function: Any, data: int | None = None) -> None:
    """Adds a hook everywhere through unicorn's C interface.

    Args:
        engine: ``unicorn.Uc``.
        kind: ``UC_HOOK_*``.
        function: A C function, which must outlive the engine.
        data: Address that it is given.

    Raises:
        ImportError, AttributeError: The binding has no such interface.
        UcError: Unicorn refuses the hook.
    """
    import unicorn
    from unicorn.unicorn_py3.unicorn import uclib

    status = uclib.uc_hook_add(
        engine._uch,
        ctypes.byref(ctypes.c_size_t()),
        kind,
        ctypes.cast(function, ctypes.c_void_p),
        ctypes.c_void_p(data),
        ctypes.c_uint64(1),
        ctypes.c_uint64(0),
    )
    if status != unicorn.UC_ERR_OK:
        raise unicorn.UcError(status)
