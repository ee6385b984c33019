"""Tests of what a project says of its board and its firmware, changed by whomever."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from micronets_gen.boards.load import load_board
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.files import read_board, read_identity
from micronets_gen.emulate.image import read_image
from micronets_gen.emulate.run import describe

BOARD = describe(load_board("qemu_mps2_an386"))


def written(folder: Path, data: Any) -> Path:
    path = folder / "board.json"
    path.write_text(json.dumps(data))
    return path


def test_a_board_is_read_as_it_was_told(tmp_path: Path) -> None:
    assert read_board(written(tmp_path, BOARD)) == BOARD
    unemulated = {**BOARD, "emulator": None}
    assert read_board(written(tmp_path, unemulated)) == unemulated


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("emulator",), "qemu"),
        (("emulator", "machine"), 0),
        (("emulator", "kind"), None),
        (("emulator", "instructions_denominator"), 0),
        (("emulator", "instructions_numerator"), 1 << 70),
        (("regions",), []),
        (("regions", 0), 7),
        (("regions", 0, "size"), -1),
        (("regions", 0, "origin"), True),
        (("uart",), None),
        (("clock_hz",), 1e400),
    ],
)
def test_a_damaged_board_is_one_error(tmp_path: Path, place: tuple[Any, ...], value: Any) -> None:
    data = deepcopy(BOARD)
    inside: Any = data
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    with pytest.raises(EmulationError, match="is not what micronets-gen wrote"):
        read_board(written(tmp_path, data))


@pytest.mark.needs("unix")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for read in (read_board, read_identity, read_image):
        with pytest.raises(EmulationError, match="is no regular file"):
            read(pipe)
