"""Adds an offline memory plan to a ``.tflite`` file."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from micronets_gen.common.integers import round_up
from micronets_gen.errors import ModelError
from micronets_gen.runtimes.tflm.arena.greedy import ALIGN
from micronets_gen.runtimes.tflm.arena.model import PLAN_METADATA

_VERSION, _BUFFERS, _METADATA = 0, 4, 6
_MODEL_FIELDS = 8
_PLAN_VERSION, _SUBGRAPHS = 1, 1


def embed_plan(data: bytes, offsets: Sequence[int]) -> bytes:
    """Return a ``.tflite`` file with an offline memory plan added; nothing else changes.

    References in a flatbuffer lead forwards only. So a new root, with new lists of buffers and metadata, goes before
    the old file, to whose parts it refers.

    Args:
        data: The file.
        offsets: Bytes from the arena's start for each tensor of the only subgraph; -1 where TFLM is to decide.

    Raises:
        ModelError: constants of the file lie behind the flatbuffer, at places counted from its start.
    """
    fields = _fields(data, _word(data, 0))
    buffers = _entries(data, fields.get(_BUFFERS))
    if any(len(_fields(data, buffer)) > 1 for buffer in buffers):
        raise ModelError(
            "constants lie behind the flatbuffer; a memory plan cannot be added",
            where=PLAN_METADATA.decode(),
            remedy="convert the model without exported buffers, or build without an offline plan",
        )
    metadata = _entries(data, fields.get(_METADATA))
    plan = struct.pack(f"<{3 + len(offsets)}i", _PLAN_VERSION, _SUBGRAPHS, len(offsets), *offsets)

    # Where everything new lies, in the order in which it is written. A table begins with the way back to its
    # own list of fields (vtable); a vector with its length.
    root_vtable = 8
    root = root_vtable + 4 + 2 * _MODEL_FIELDS
    buffer_list = root + 4 + 4 * _MODEL_FIELDS
    metadata_list = buffer_list + 4 + 4 * (len(buffers) + 1)
    buffer_vtable = metadata_list + 4 + 4 * (len(metadata) + 1)
    buffer = buffer_vtable + 8
    entry_vtable = buffer + 8
    entry = entry_vtable + 8
    name = entry + 12
    content = round_up(name + 4 + len(PLAN_METADATA) + 1 + 4, ALIGN) - 4
    old = round_up(content + 4 + len(plan), ALIGN)

    front = bytearray(old)
    targets = {f: old + at + _word(data, at) for f, at in fields.items() if f != _VERSION}
    targets |= {_BUFFERS: buffer_list, _METADATA: metadata_list}
    struct.pack_into("<I4s", front, 0, root, data[4:8])
    slots = [4 + 4 * f if f in targets or f == _VERSION else 0 for f in range(_MODEL_FIELDS)]
    struct.pack_into(
        f"<{2 + _MODEL_FIELDS}H", front, root_vtable, root - root_vtable, 4 + 4 * _MODEL_FIELDS, *slots
    )
    struct.pack_into("<i", front, root, root - root_vtable)
    struct.pack_into("<I", front, root + 4, _word(data, fields[_VERSION]) if _VERSION in fields else 0)
    for f, target in targets.items():
        _refer(front, root + 4 + 4 * f, target)
    _list(front, buffer_list, [*(old + b for b in buffers), buffer])
    _list(front, metadata_list, [*(old + m for m in metadata), entry])
    struct.pack_into("<3H", front, buffer_vtable, 6, 8, 4)
    struct.pack_into("<i", front, buffer, buffer - buffer_vtable)
    _refer(front, buffer + 4, content)
    struct.pack_into("<4H", front, entry_vtable, 8, 12, 4, 8)
    struct.pack_into("<i", front, entry, entry - entry_vtable)
    _refer(front, entry + 4, name)
    struct.pack_into("<I", front, entry + 8, len(buffers))
    struct.pack_into(f"<I{len(PLAN_METADATA)}s", front, name, len(PLAN_METADATA), PLAN_METADATA)
    struct.pack_into(f"<I{len(plan)}s", front, content, len(plan), plan)
    return bytes(front) + data


def _word(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _fields(data: bytes, table: int) -> dict[int, int]:
    """Positions of the fields that a table has."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    (size,) = struct.unpack_from("<H", data, vtable)
    slots = struct.unpack_from(f"<{size // 2 - 2}H", data, vtable + 4)
    return {f: table + slot for f, slot in enumerate(slots) if slot}


def _entries(data: bytes, field: int | None) -> list[int]:
    """Positions of the tables in the vector that a field refers to."""
    if field is None:
        return []
    vector = field + _word(data, field)
    places = (vector + 4 + 4 * i for i in range(_word(data, vector)))
    return [place + _word(data, place) for place in places]


def _refer(front: bytearray, at: int, target: int) -> None:
    struct.pack_into("<I", front, at, target - at)


def _list(front: bytearray, at: int, targets: Sequence[int]) -> None:
    struct.pack_into("<I", front, at, len(targets))
    for i, target in enumerate(targets):
        _refer(front, at + 4 + 4 * i, target)
