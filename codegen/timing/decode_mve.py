"""Instructions of Armv8.1-M that capstone does not know: vectors (MVE), low-overhead loops, conditional selection.

Encodings are those of the Armv8.1-M Architecture Reference Manual (DDI 0553), C2.4; what costs no time of its own
(signedness, rounding) is not told apart.
"""

from __future__ import annotations

from micronets_gen.timing.decode import FLAGS, Instruction, Kind, Leaving, decode

_WIDE = 0xE800
"""First halfwords from here on begin an instruction of 32 bits."""


def decode_with_vectors(code: bytes, address: int) -> tuple[Instruction, ...]:
    """Decode a stretch of straight-line code of a core with MVE, as :func:`decode` does that of others.

    Raises:
        ToolError: capstone is not installed.
    """
    found: list[Instruction] = []
    begun = position = 0
    while position < len(code):
        first = int.from_bytes(code[position : position + 2], "little")
        size = 4 if first >= _WIDE else 2
        known = None
        if size == 4:
            second = int.from_bytes(code[position + 2 : position + 4], "little")
            known = _decoded(first, second, address + position)
        if known is not None:
            found += (*decode(code[begun:position], address + begun), known)
            begun = position + size
        position += size
    return (*found, *decode(code[begun:], address + begun))


def _decoded(first: int, second: int, address: int) -> Instruction | None:
    return (
        _loop(first, second, address) or _selection(first, second, address) or _vector(first, second, address)
    )


def _loop(first: int, second: int, address: int) -> Instruction | None:
    """Decode WLS, DLS, LE, those with a predicate for the tail, and VCTP."""
    register = first & 0xF
    if first in (0xF00F, 0xF01F, 0xF02F) and second & 0xF001 == 0xC001:
        return _made(
            address, "le", Kind.LOOP_END, {"lr"}, {"lr"}, leaving=Leaving.CONDITIONAL, to=-_distance(second)
        )
    if first & 0xFF80 != 0xF000 or register == 0xF:
        return None
    if second & 0xF001 == 0xC001:
        reads = {_r(register)}
        return _made(
            address,
            "wls",
            Kind.LOOP_START,
            reads,
            {"lr"},
            leaving=Leaving.CONDITIONAL,
            to=_distance(second),
        )
    if second == 0xE001:
        return _made(address, "dls", Kind.LOOP_START, {_r(register)}, {"lr"})
    if second == 0xE801:
        return _made(address, "vctp", Kind.VECTOR_CONTROL, {_r(register)}, {"p0"})
    return None


def _distance(second: int) -> int:
    return (second >> 1 & 0x3FF) << 2 | (second >> 11 & 1) << 1


def _selection(first: int, second: int, address: int) -> Instruction | None:
    """Decode CSEL and its relatives, and shifts of 64 bits: what would be ORR with registers that it cannot have."""
    if first & 0xFFF0 != 0xEA50:
        return None
    by_register = second & 0xF == 0xD
    if second >> 14 == 0b10 and not by_register:
        sources = {_r(first & 0xF), _r(second & 0xF), FLAGS} - {"pc"}  # in its place 0 is selected
        return _made(address, "csel", Kind.ALU, sources, {_r(second >> 8 & 0xF)})
    if not by_register and second & 0xF != 0xF:
        return None
    by = {_r(second >> 12 & 0xF)} if by_register else set()
    high = second >> 8 & 0xF
    shifted = {_r(first & 0xF)} if high == 0xF else {_r(first & 0xE), _r(high | 1)}
    return _made(address, "asrl", Kind.SATURATE, shifted | by, shifted)


def _vector(first: int, second: int, address: int) -> Instruction | None:
    if first & 0xFFB1 == 0xEEA0 and second & 0x0F5F == 0x0B10:
        return _made(address, "vdup", Kind.VECTOR, {_r(second >> 12)}, {_q(first >> 1)})
    if first & 0xFFEF == 0xEEED and second & 0x0FFF == 0x0A10:
        register = {_r(second >> 12)}
        sides = ({"p0"}, register) if first & 0x10 else (register, {"p0"})
        return _made(address, "vmrs", Kind.FLOAT_MOVE, *sides)
    if first & 0xFF00 == 0xEE00 and second & 0x0F1F == 0x0B10:
        lane, register = {_q(first >> 1)}, {_r(second >> 12)}
        sides = (lane, register) if first & 0x10 else (lane | register, lane)
        return _made(address, "vmov", Kind.VECTOR_MULTIPLY, *sides)
    if first & 0xEF80 == 0xEF00:
        return _three(first, second, address)
    if first & 0xEF80 == 0xEF80:
        return _two(first, second, address)
    if second & 0x0E00 != 0x0E00:
        return None
    if first & 0xEE00 == 0xEC00:
        return _access(first, second, address)
    if first & 0xEF80 == 0xEE00:
        return _scalar_or_wide(first, second, address)
    return _reduction(first, second, address) if first & 0xEF80 == 0xEE80 else None


def _three(first: int, second: int, address: int) -> Instruction:
    """Decode what has two vectors and gives one: sums, products, logic, shifts by a vector."""
    operation, other = second >> 8 & 0xF, second & 0x10
    reads, writes = {_q(first >> 1), _q(second >> 1)}, {_q(second >> 13)}
    if operation == 0xC:
        return _made(address, "vfma", Kind.VECTOR_MULTIPLY, reads | writes, writes)
    if operation in (0x9, 0xB) or (operation == 0xD and other):
        return _made(address, "vmul", Kind.VECTOR_MULTIPLY, reads, writes)
    if operation >= 0xD:
        return _made(address, "vaddf", Kind.VECTOR_MULTIPLY, reads, writes)
    late = operation == 0x5 or (operation == 0x4 and other)
    return _made(address, "vrshl" if late else "vadd", Kind.VECTOR, reads, writes)


def _two(first: int, second: int, address: int) -> Instruction:
    """Decode shifts by a number, constants, and what has one vector."""
    writes = {_q(second >> 13)}
    if first & 0x38 == 0 and second & 0x90 == 0x10:
        return _made(address, "vmovi", Kind.VECTOR_MULTIPLY, set(), writes)
    rounds = second >> 8 & 0xF in (0x2, 0x3) and second & 0x10
    return _made(address, "vrshl" if rounds else "vshr", Kind.VECTOR, {_q(second >> 1)}, writes)


def _access(first: int, second: int, address: int) -> Instruction | None:
    """Decode loads and stores; VMOV of two lanes lies among them."""
    before, added, written = first & 0x100, first & 0x80, first & 0x20
    if not before and not added and not written:
        pair, vector = {_r(second & 0xF), _r(first & 0xF)}, {_q(second >> 13)}
        sides = (pair | vector, vector) if first & 0x10 else (vector, pair)
        return _made(address, "vmov", Kind.VECTOR_MULTIPLY, *sides)
    vector, scattered = {_q(second >> 13)}, not before and not written
    if first >> 8 == 0xFC and second & 0x1000:
        vector, scattered = {_q((second >> 13) + each) for each in range(4 if second & 1 else 2)}, False
    base = {_r(first & (0xF if second & 0x1000 or scattered else 0x7))}
    if first >> 8 == 0xFD and second & 0x1000:
        scattered, base = True, {_q(first >> 1)}
    elif scattered:
        base = base | {_q(second >> 1)}
    loads = bool(first & 0x10)
    return _made(
        address,
        "vgather" if scattered else "vldr" if loads else "vstr",
        Kind.VECTOR_LOAD if loads else Kind.VECTOR_STORE,
        base if loads else base | vector,
        (vector if loads else set()) | (base if written else set()),
        at=base,
    )


def _scalar_or_wide(first: int, second: int, address: int) -> Instruction:
    """Decode what has a vector and a register, comparisons, products of twice the width, narrowing moves."""
    multiplies, size, odd = second >> 8 & 1 == 0, first >> 4 & 3, first & 1
    n, d = _q(first >> 1), _q(second >> 13)
    if second & 0x40 == 0:
        return _wide(first, second, address)
    if second & 0xFFF == 0xF4D and odd and first & 0xFFB1 == 0xFE31:
        return _made(address, "vpst", Kind.VECTOR_CONTROL, set(), set())
    scalar = {_r(second & 0xF)} if second & 0xF < 0xD else set()
    if odd and not multiplies and (first & 0x1000 or size == 3):
        return _made(address, "vcmp", Kind.VECTOR_MULTIPLY, {n} | scalar, {"p0"})
    if not multiplies and odd and second & 0x60 == 0x60:
        counter, end = {_r(first & 0xE)}, second & 0xE | 1
        wraps = set() if end == 0xF else {_r(end)}
        return _made(address, "vidup", Kind.VECTOR, counter | wraps, {d} | counter)
    if size == 3 and multiplies and second & 0x1000:
        late = first & 0x2 or second & 0x80
        return _made(address, "vrshl" if late else "vshl", Kind.VECTOR, {d} | scalar, {d})
    if multiplies or size == 3:
        accumulates = multiplies and second & 0x20 == 0
        return _made(
            address, "vmul", Kind.VECTOR_MULTIPLY, {n} | scalar | ({d} if accumulates else set()), {d}
        )
    return _made(address, "vadd", Kind.VECTOR, {n} | scalar, {d})


def _wide(first: int, second: int, address: int) -> Instruction:
    multiplies, size, odd = second >> 8 & 1 == 0, first >> 4 & 3, first & 1
    n, d, m = _q(first >> 1), _q(second >> 13), _q(second >> 1)
    if odd and not multiplies and (first & 0x1000 or size == 3):
        if size == 3 and first & 0x1000 and second & 0x1001 == 1:
            return _made(address, "vpsel", Kind.VECTOR, {n, m, "p0"}, {d})
        return _made(address, "vcmp", Kind.VECTOR_MULTIPLY, {n, m}, {"p0"})
    if multiplies and size == 3:
        return _made(address, "vmovn", Kind.VECTOR, {m, d}, {d})
    if multiplies or second & 1:
        return _made(address, "vmul", Kind.VECTOR_MULTIPLY, {n, m}, {d})
    return _made(address, "vadd", Kind.VECTOR, {n, m}, {d})


def _reduction(first: int, second: int, address: int) -> Instruction:
    """Decode sums of products and of elements into registers, the largest element, and shifts between widths."""
    m, d = _q(second >> 1), _q(second >> 13)
    if second & 0x40:
        name = "vshr" if first & 0x20 else "vmovn"
        return _made(address, name, Kind.VECTOR, {m} if first & 0x20 else {m, d}, {d})
    if first & 0x70 == 0x60 and second & 0x100:
        best = {_r(second >> 12)}
        return _made(address, "vmaxv", Kind.VECTOR, {m} | best, best)
    if second & 0x101 == 0x101:
        total = {_r(second >> 12)}
        return _made(address, "vmaxv", Kind.VECTOR, {_q(first >> 1), m} | total, total)
    sums = {_r(second >> 12 & 0xE)}
    if first & 0x70 != 0x70:
        sums = sums | {_r((first >> 4 & 7) << 1 | 1)}
    products = not (first & 1 and second & 0x100)
    added = sums if second & 0x20 else set()
    return _made(
        address,
        "vmladav",
        Kind.VECTOR_MULTIPLY,
        {m} | ({_q(first >> 1)} if products else set()) | added,
        sums,
    )


def _q(bits: int) -> str:
    return f"q{bits & 7}"


def _r(number: int) -> str:
    return {13: "sp", 14: "lr", 15: "pc"}.get(number & 0xF, f"r{number & 0xF}")


def _made(
    address: int,
    name: str,
    kind: Kind,
    reads: set[str],
    writes: set[str],
    *,
    at: set[str] | None = None,
    leaving: Leaving = Leaving.FALLS,
    to: int | None = None,
) -> Instruction:
    return Instruction(
        address,
        4,
        name,
        kind,
        frozenset(reads),
        frozenset(writes),
        address_reads=frozenset(at or ()),
        conditional=leaving is Leaving.CONDITIONAL,
        leaving=leaving,
        target=None if to is None else address + 4 + to,
    )
