"""Reads the lines that a firmware writes (docs/protocol.md), as they come.

Lines that do not begin with ``MN,`` are the application's. Before ``MN,begin`` anything may come, the tail of
an earlier run included; after it every ``MN,`` line must be well formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from .errors import EmulationError
from .lines import LineSplitter, OnLine, quoted
from .result import Difference, Identity, LayerCount, RunResult, VectorResult

VERSION = 2
OUTPUT_LIMIT = 1 << 20
"""Characters of the firmware's output that are kept; what comes after them is shown and checked all the same."""
_BEGIN = "MN,begin,"
_LARGEST = 0xFFFF_FFFF
_MOST_ITEMS = 1 << 16
_HARDWARE = {"nmi", "hard", "memory", "bus", "usage", "secure"}
_MODEL_FAULTS = {
    "model-resolver": "an operator could not be registered",
    "model-init": "the tensors could not be laid out in the arena, or an operator refused them",
    "model-invoke": "an operator failed",
    "model-abort": "an assertion failed",
}


@dataclass(frozen=True)
class Fault:
    """The firmware's own fault handler reported: ``what`` happened at the instruction at ``address``."""

    what: str
    address: int


class ProtocolReader:
    """Collects one run of the firmware.

    Args:
        on_line: Called with each line as it is complete, without its line end.
        restartable: A second ``MN,begin`` begins anew (someone reset the board) instead of being an error.
    """

    def __init__(self, on_line: OnLine | None = None, *, restartable: bool = False) -> None:
        self._on_line = on_line
        self._restartable = restartable
        self._splitter = LineSplitter(self._line)
        self._kept: list[str] = []
        self._room = OUTPUT_LIMIT
        self._dropped = 0
        self._last: str | None = None
        self._probe = False
        self._begun = False
        self._ended = False
        self._clear()

    def _clear(self) -> None:
        self._single: dict[str, list[str]] = {}
        self._layers: list[tuple[str, str, int, int]] = []
        self._differences: list[Difference] = []
        self._vectors: list[VectorResult] = []
        self.fault: Fault | None = None

    @property
    def begun(self) -> bool:
        """The firmware said ``MN,begin``."""
        return self._begun

    @property
    def finished(self) -> bool:
        """Nothing of interest can follow: the firmware said ``MN,end`` or reported a fault."""
        return self._ended or self.fault is not None

    @property
    def silent(self) -> bool:
        """The firmware has written nothing yet."""
        return self._last is None and not self._splitter.partial

    @property
    def output(self) -> str:
        """What the firmware wrote, with plain line ends; of very much the beginning."""
        more = f"[{self._dropped:,} more lines]\n" if self._dropped else ""
        return "".join(line + "\n" for line in self._kept) + more

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come; a line may be spread over calls.

        Raises:
            EmulationError: A line of the protocol is malformed.
        """
        self._splitter.feed(data)

    def close(self) -> None:
        """Takes what came after the last line end as a line."""
        self._splitter.close()

    def _line(self, line: str) -> None:
        self._keep(line)
        if self._on_line is not None:
            self._on_line(line)
        start = line.find(_BEGIN)
        if not self._begun and start > 0 and line[start:] == f"{_BEGIN}{VERSION}":
            line = line[start:]  # noise of a UART that starts up may precede it
        if not line.startswith("MN,") or self._ended:
            return
        kind, *fields = line[3:].split(",")
        if not self._begun:
            self._probe = self._probe or kind == "arena"
            if kind not in ("begin", "fault"):
                return
        try:
            if not line.isprintable():
                raise ValueError("it holds control characters")
            self._take(kind, fields)
        except ValueError as error:
            raise EmulationError(
                f"malformed line {quoted(line)}: {error}",
                where="protocol",
                remedy="the firmware must write what lib/selftest writes; "
                "if they came over a cable, check the baud rate and try again",
            ) from None

    def _keep(self, line: str) -> None:
        self._last = line
        self._room -= len(line) + 1
        if self._room >= 0 and not self._dropped:
            self._kept.append(line)
        else:
            self._dropped += 1

    def _take(self, kind: str, fields: list[str]) -> None:
        match kind:
            case "begin":
                self._begin(fields)
            case "board":
                _arity(fields, 3)
                _number(fields[1], "core clock")
                _choice(fields[2], ("ok", "fallback"))
                self._once(kind, fields)
            case "model":
                _arity(fields, 2)
                self._once(kind, fields)
            case "build":
                _arity(fields, 1)
                self._once(kind, fields)
            case "counter":
                _arity(fields, 3)
                _choice(fields[0], ("cycles", "instructions"))
                if not _number(fields[1], "numerator") or not _number(fields[2], "denominator"):
                    raise ValueError("a ratio has no zero")
                self._once(kind, fields)
            case "startup" | "invoke":
                _arity(fields, 1)
                _number(fields[0], "ticks")
                self._once(kind, fields)
            case "layer":
                self._layer(fields)
            case "byte":
                _arity(fields, 3)
                self._differences.append(
                    Difference(_number(fields[0], "offset"), _byte(fields[1]), _byte(fields[2]))
                )
                _require_few(self._differences, "bytes")
            case "vector":
                self._vector(fields)
            case "result":
                _arity(fields, 3)
                _choice(fields[0], ("PASS", "FAIL"))
                if _number(fields[1], "vectors passed") > _number(fields[2], "vectors"):
                    raise ValueError("more vectors passed than there are")
                self._once(kind, fields)
            case "fault":
                _arity(fields, 2)
                self.fault = Fault(fields[0], _address(fields[1]))
            case "end":
                _arity(fields, 0)
                self._ended = True
            case _:
                raise ValueError(f"version {VERSION} of the protocol has no kind {quoted(kind)}")

    def _begin(self, fields: list[str]) -> None:
        _arity(fields, 1)
        version = _number(fields[0], "version")
        if version != VERSION:
            raise EmulationError(
                f"the firmware speaks version {version} of the protocol, and this program reads version {VERSION}",
                where="protocol",
                remedy="build the project with this micronets-gen and, on a board, upload it: pio run -t upload",
            )
        if self._begun and not self._restartable:
            raise ValueError("the firmware began twice: it was reset in between")
        self._clear()
        self._begun = True

    def _once(self, kind: str, fields: list[str]) -> None:
        if kind in self._single:
            raise ValueError(f"a second {kind!r} line in one run")
        self._single[kind] = fields

    def _layer(self, fields: list[str]) -> None:
        _arity(fields, 5)
        if _number(fields[0], "index") != len(self._layers):
            raise ValueError(f"layer {len(self._layers)} was to come")
        self._layers.append(
            (fields[1], fields[2], _number(fields[3], "MACs"), _number(fields[4], "ticks")),
        )
        _require_few(self._layers, "layers")

    def _vector(self, fields: list[str]) -> None:
        if len(fields) not in (3, 5):
            raise ValueError(f"3 or 5 fields were to come, not {len(fields)}")
        _choice(fields[1], ("PASS", "FAIL"))
        if _number(fields[0], "index") != len(self._vectors):
            raise ValueError(f"vector {len(self._vectors)} was to come")
        passed, mismatches = fields[1] == "PASS", _number(fields[2], "mismatching bytes")
        if passed != (mismatches == 0):
            raise ValueError("a vector passes where no byte differs, and only there")
        differences, self._differences = tuple(self._differences), []
        if len(differences) > mismatches or bool(differences) == passed:
            raise ValueError(f"{len(differences)} bytes that differ came before it")
        label, predicted = [_number(field, "class") for field in fields[3:]] or (None, None)
        self._vectors.append(
            VectorResult(len(self._vectors), passed, mismatches, differences, label, predicted)
        )
        _require_few(self._vectors, "vectors")

    def result(
        self,
        ran_on: str,
        *,
        cycle: Fraction | None = None,
        locate: Callable[[int], str] | None = None,
        identity: Identity | None = None,
    ) -> RunResult:
        """What the finished run said.

        Args:
            ran_on: What ran the firmware: an emulator, or a serial port.
            cycle: Instructions in what the firmware calls a cycle; None on a board, where a cycle is one.
            locate: Gives an address of the firmware a name.
            identity: What it must be.

        Raises:
            EmulationError: The firmware reported a fault, did not reach its end, left out a line, or is not
                the project's.
        """
        if self.fault is not None:
            self._raise_fault(self.fault, locate or "0x{:08x}".format)
        if not self._ended:
            raise self.unfinished()
        self._require_whole()
        if identity is not None:
            self._require(identity)
        verdict = self._single["result"][0]
        name, clock_hz, clock = self._single["board"]
        counter, numerator, denominator = self._single["counter"]
        unit, ratio = counter, Fraction(int(numerator), int(denominator))
        if cycle is not None and unit == "cycles":
            unit, ratio = "instructions", ratio * cycle
        return RunResult(
            passed=verdict == "PASS"
            and bool(self._vectors)
            and all(vector.passed for vector in self._vectors),
            ran_on=ran_on,
            board=name,
            runtime=self._single["model"][1],
            model=self._single["model"][0],
            build=self._single["build"][0],
            unit=unit,
            count=_scale(int(self._single["invoke"][0]), ratio),
            startup=_scale(int(self._single["startup"][0]), ratio),
            granularity=float(ratio),
            clock_hz=int(clock_hz),
            clock_note="the external oscillator did not start; the internal one is in use"
            if clock == "fallback"
            else "",
            vectors=tuple(self._vectors),
            layers=tuple(
                LayerCount(index, layer, op, macs, _scale(ticks, ratio))
                for index, (layer, op, macs, ticks) in enumerate(self._layers)
            ),
            output=self.output,
        )

    def _require_whole(self) -> None:
        """Checks that no line is missing."""
        missing = [
            kind
            for kind in ("board", "model", "build", "counter", "startup", "invoke", "result")
            if kind not in self._single
        ]
        if missing:
            raise EmulationError(
                f"the firmware left out {', '.join('MN,' + kind for kind in missing)}",
                where="protocol",
                remedy="call selftest_run() once from main(); it writes every line",
            )
        announced = self._single["result"][2]
        if int(announced) != len(self._vectors):
            raise EmulationError(
                f"the firmware announced {announced} vectors and reported {len(self._vectors)}",
                where="protocol",
            )

    def _require(self, identity: Identity) -> None:
        """Checks that the firmware is the project's: over a cable comes what someone uploaded some time."""
        model, runtime = self._single["model"]
        facts: list[tuple[str, str | int, str | int]] = [
            ("board", self._single["board"][0], identity.board),
            ("model", model, identity.model),
            ("runtime", runtime, identity.runtime),
            # A firmware that tries out its arena runs one vector.
            ("number of vectors", len(self._vectors), 1 if self._probe else identity.vectors),
        ]
        for what, found, wanted in facts:
            if found != wanted:
                raise _foreign(f"its {what} is {_told(found)}, the project's {wanted}")
        build = self._single["build"][0]
        if identity.builds and build not in identity.builds:
            raise _foreign(f"its build is {_told(build)}, the project's {' or '.join(identity.builds)}")

    def unfinished(self) -> EmulationError:
        """The error for a firmware that stopped talking."""
        if self.silent:
            return EmulationError("the firmware wrote nothing")
        last = self._last if self._last is not None else self._splitter.partial
        return EmulationError(
            "the firmware did not reach MN,end" if self._begun else "the firmware never wrote MN,begin",
            why=f"the last line is {quoted(last)}",
        )

    @staticmethod
    def _raise_fault(fault: Fault, locate: Callable[[int], str]) -> None:
        if fault.what in _MODEL_FAULTS:
            raise EmulationError(
                f"the model's runtime gave up: {_MODEL_FAULTS[fault.what]}",
                where="lib/model",
                remedy="build and run the environment whose name ends in _talkative: it says why",
            )
        what = {
            "stack": "the stack overflowed",
            "interrupt": "an interrupt came that nobody handles",
        }.get(fault.what, f"{fault.what} fault" if fault.what in _HARDWARE else quoted(fault.what))
        raise EmulationError(
            f"the firmware stopped in its fault handler: {what}",
            where=locate(fault.address),
            remedy="leave the stack more room"
            if fault.what == "stack"
            else "look at the code at that address",
        )


def _arity(fields: list[str], count: int) -> None:
    if len(fields) != count:
        raise ValueError(f"{count} fields were to come, not {len(fields)}")


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{what} is {quoted(text)}, not an unsigned decimal number")
    if len(text) > 10 or int(text) > _LARGEST:
        raise ValueError(f"{what} is {quoted(text)}, more than 32 bits hold")
    return int(text)


def _byte(text: str) -> int:
    value = _number(text, "byte")
    if value > 0xFF:
        raise ValueError(f"a byte is {value}")
    return value


def _address(text: str) -> int:
    if not re.fullmatch(r"0x[0-9A-Fa-f]{1,8}|0", text):
        raise ValueError(f"address is {quoted(text)}")
    return int(text, 16)


def _require_few(items: Sequence[object], what: str) -> None:
    if len(items) > _MOST_ITEMS:
        raise ValueError(f"more than {_MOST_ITEMS:,} {what}")


def _told(value: str | int) -> str:
    return str(value) if isinstance(value, int) else quoted(value)


def _foreign(why: str) -> EmulationError:
    return EmulationError(
        "this firmware is not the project's as it was built last",
        why=why,
        remedy="upload the project to the board and try again: pio run -t upload",
    )


def _choice(text: str, options: tuple[str, ...]) -> None:
    if text not in options:
        raise ValueError(f"{quoted(text)} is none of {', '.join(options)}")


def _scale(ticks: int, ratio: Fraction) -> int:
    """``ticks`` in the unit, rounded half up."""
    return (2 * ticks * ratio.numerator + ratio.denominator) // (2 * ratio.denominator)
