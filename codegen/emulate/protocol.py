"""Reads the lines that a firmware writes (docs/protocol.md), as they come.

Lines that do not begin with ``MN,`` are the application's. Before ``MN,begin`` anything may come, the tail of
an earlier run included; after it every ``MN,`` line must be well formed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from .errors import EmulationError
from .result import LayerCount, RunResult, VectorResult

VERSION = 1
_BEGIN = f"MN,begin,{VERSION}"
_HARDWARE = {"nmi", "hard", "memory", "bus", "usage", "secure"}
_MODEL_FAULTS = {
    "model-resolver": "an operator could not be registered",
    "model-init": "the tensors could not be laid out in the arena, or an operator refused them",
    "model-invoke": "an operator failed",
    "model-abort": "an assertion failed",
}

OnLine = Callable[[str], None]


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
        self._partial = b""
        self._lines: list[str] = []
        self._begun = False
        self._ended = False
        self._clear()

    def _clear(self) -> None:
        self._single: dict[str, list[str]] = {}
        self._layers: list[tuple[str, str, int, int]] = []
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
    def output(self) -> str:
        """Everything the firmware wrote, with plain line ends."""
        return "".join(line + "\n" for line in self._lines)

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come; a line may be spread over calls.

        Raises:
            EmulationError: A line of the protocol is malformed.
        """
        *complete, self._partial = (self._partial + data).split(b"\n")
        for line in complete:
            self._line(line.decode("utf-8", "replace").rstrip("\r"))

    def close(self) -> None:
        """Takes what came after the last line end as a line."""
        if self._partial:
            self.feed(b"\n")

    def _line(self, line: str) -> None:
        self._lines.append(line)
        if self._on_line is not None:
            self._on_line(line)
        if not self._begun and line.endswith(_BEGIN):
            line = _BEGIN  # noise of a UART that starts up may precede it
        if not line.startswith("MN,") or self._ended:
            return
        kind, *fields = line[3:].split(",")
        if not self._begun and kind not in ("begin", "fault"):
            return
        try:
            self._take(kind, fields)
        except ValueError as error:
            raise EmulationError(
                f"malformed line {line!r}: {error}",
                where="protocol",
                remedy="the firmware must write what lib/selftest writes; "
                "if they came over a cable, check the baud rate and try again",
            ) from None

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
            case "vector":
                self._vector(fields)
            case "accuracy":
                _arity(fields, 2)
                if _number(fields[0], "correct") > _number(fields[1], "labelled"):
                    raise ValueError("more correct than labelled vectors")
                self._once(kind, fields)
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
                raise ValueError(f"version {VERSION} of the protocol has no kind {kind!r}")

    def _begin(self, fields: list[str]) -> None:
        _arity(fields, 1)
        if _number(fields[0], "version") != VERSION:
            raise ValueError(f"this program reads version {VERSION} of the protocol")
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

    def _vector(self, fields: list[str]) -> None:
        if len(fields) not in (3, 6):
            raise ValueError(f"3 or 6 fields were to come, not {len(fields)}")
        _choice(fields[1], ("PASS", "FAIL"))
        if _number(fields[0], "index") != len(self._vectors):
            raise ValueError(f"vector {len(self._vectors)} was to come")
        passed, mismatches = fields[1] == "PASS", _number(fields[2], "mismatching bytes")
        if passed != (mismatches == 0):
            raise ValueError("a vector passes where no byte differs, and only there")
        first = [_number(field, "difference") for field in fields[3:]] or [-1, 0, 0]
        self._vectors.append(VectorResult(len(self._vectors), passed, mismatches, *first))

    def result(
        self,
        emulator: str,
        *,
        cycle: Fraction | None = None,
        locate: Callable[[int], str] | None = None,
    ) -> RunResult:
        """What the finished run said.

        Args:
            emulator: What ran the firmware.
            cycle: Instructions in what the firmware calls a cycle; None on a board, where a cycle is one.
            locate: Gives an address of the firmware a name.

        Raises:
            EmulationError: The firmware reported a fault, did not reach its end, or left out a line.
        """
        if self.fault is not None:
            self._raise_fault(self.fault, locate or "0x{:08x}".format)
        if not self._ended:
            raise self.unfinished()
        missing = [
            kind
            for kind in ("board", "model", "counter", "startup", "invoke", "result")
            if kind not in self._single
        ]
        if missing:
            raise EmulationError(
                f"the firmware left out {', '.join('MN,' + kind for kind in missing)}",
                where="protocol",
                remedy="call selftest_run() once from main(); it writes every line",
            )
        verdict, _, announced = self._single["result"]
        if int(announced) != len(self._vectors):
            raise EmulationError(
                f"the firmware announced {announced} vectors and reported {len(self._vectors)}",
                where="protocol",
            )
        name, clock_hz, clock = self._single["board"]
        counter, numerator, denominator = self._single["counter"]
        unit, ratio = counter, Fraction(int(numerator), int(denominator))
        if cycle is not None and unit == "cycles":
            unit, ratio = "instructions", ratio * cycle
        correct, labelled = self._single.get("accuracy", ["0", "0"])
        return RunResult(
            passed=verdict == "PASS" and all(vector.passed for vector in self._vectors),
            emulator=emulator,
            board=name,
            runtime=self._single["model"][1],
            model=self._single["model"][0],
            unit=unit,
            count=_scale(int(self._single["invoke"][0]), ratio),
            startup=_scale(int(self._single["startup"][0]), ratio),
            granularity=float(ratio),
            clock_hz=int(clock_hz),
            clock_note="the external oscillator did not start; the internal one is in use"
            if clock == "fallback"
            else "",
            vectors=tuple(self._vectors),
            correct=int(correct),
            labelled=int(labelled),
            layers=tuple(
                LayerCount(index, layer, op, macs, _scale(ticks, ratio))
                for index, (layer, op, macs, ticks) in enumerate(self._layers)
            ),
            output=self.output,
        )

    def unfinished(self) -> EmulationError:
        """The error for a firmware that stopped talking."""
        if not self._lines and not self._partial:
            return EmulationError("the firmware wrote nothing")
        last = self._lines[-1] if self._lines else self._partial.decode("utf-8", "replace")
        return EmulationError(
            "the firmware did not reach MN,end" if self._begun else "the firmware never wrote MN,begin",
            why=f"the last line is {last!r}",
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
        }.get(fault.what, f"{fault.what} fault" if fault.what in _HARDWARE else fault.what)
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
        raise ValueError(f"{what} is {text!r}, not an unsigned decimal number")
    return int(text)


def _address(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f"address is {text!r}") from None


def _choice(text: str, options: tuple[str, ...]) -> None:
    if text not in options:
        raise ValueError(f"{text!r} is none of {', '.join(options)}")


def _scale(ticks: int, ratio: Fraction) -> int:
    """``ticks`` in the unit, rounded half up."""
    return (2 * ticks * ratio.numerator + ratio.denominator) // (2 * ratio.denominator)
