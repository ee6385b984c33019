"""How an operator stands in a ``.tflite`` file: its inputs by name, and its options.

Options are a frozen dataclass, a field for each field of the schema's table. How a field is read follows from its
type, and its name in the schema from its own (``stride_h`` is ``StrideH``); where that is not so, or not every value
is good, its type is annotated with :class:`Read`:

>>> @dataclass(frozen=True)
... class WindowOptions(Options):
...     padding: Padding
...     stride_h: Positive
...     dilation_h: Annotated[int, Read(positive, "DilationHFactor")] = 1
...     activation: FusedActivation = Activation.NONE
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import Annotated, Any, get_args, get_type_hints

from micronets_gen.errors import ModelError
from micronets_gen.model.graph import Activation, NoOptions, Options, Padding

_LARGEST = 1 << 16
DAMAGED = "convert the model again; the file was damaged or written by a tool that does not follow the schema"
"""What to do about a file that contradicts itself."""
_ACTIVATIONS = (Activation.NONE, Activation.RELU, Activation.RELU_N1_TO_1, Activation.RELU6)
_ACTIVATION_NAMES = {4: "TANH", 5: "SIGN_BIT"}


@dataclass(frozen=True)
class Read:
    """How a field of the options is read.

    Attributes:
        value: From the file's value, the field's name in the schema, and the file and layer for messages, to the
            value; raises :class:`ModelError`.
        name: The field's name in the schema where it is not that of the dataclass.
    """

    value: Callable[[Any, str, str], Any]
    name: str = ""


def positive(value: int, name: str, where: str) -> int:
    """Read an integer from 1 on."""
    if not 1 <= value <= _LARGEST:
        raise ModelError(
            f"option {name} is {value}; it must lie between 1 and {_LARGEST}", where=where, remedy=DAMAGED
        )
    return int(value)


def _finite(value: float, name: str, where: str) -> float:
    if not math.isfinite(value):
        raise ModelError(f"option {name} is {value}; it must be finite", where=where, remedy=DAMAGED)
    return float(value)


def _padding(value: int, name: str, where: str) -> Padding:
    if value not in {0, 1}:
        raise ModelError(
            f"option {name} is {value}; the schema knows 0 (SAME) and 1 (VALID)",
            where=where,
            remedy=DAMAGED,
        )
    return Padding.VALID if value else Padding.SAME


def _activation(value: int, _name: str, where: str) -> Activation:
    if not 0 <= value < len(_ACTIVATIONS):
        raise ModelError(
            f"the fused activation {_ACTIVATION_NAMES.get(value, value)} is not supported",
            where=where,
            why="the kernels clamp: NONE, RELU, RELU_N1_TO_1 and RELU6",
            remedy="use one of these activations, or make the activation a layer of its own",
        )
    return _ACTIVATIONS[value]


Positive = Annotated[int, Read(positive)]
FusedActivation = Annotated[Activation, Read(_activation, "FusedActivationFunction")]

_BY_TYPE: Mapping[Any, Callable[[Any, str, str], Any]] = {
    int: lambda value, _name, _where: int(value),
    bool: lambda value, _name, _where: bool(value),
    float: _finite,
    Padding: _padding,
}


@dataclass(frozen=True)
class OperatorSchema:
    """The inputs and options of one builtin operator.

    Attributes:
        inputs: Names by position, as TensorFlow Lite's kernels have them; further inputs are like the last.
        optional: Those that may be omitted.
        shape: The one that only tells the output's shape; empty where none does. A converter may compute it.
        options: Their dataclass.
        table: The schema's name of their table; that of the dataclass where empty.
        table_required: Whether the operator means nothing without the table, although every option has a default.
    """

    inputs: tuple[str, ...]
    optional: tuple[str, ...] = ()
    shape: str = ""
    options: type[Options] = NoOptions
    table: str = ""
    table_required: bool = False

    def position(self, name: str) -> int | None:
        """Return the position of an input; None where the operator has none of that name."""
        return self.inputs.index(name) if name in self.inputs else None

    def may_omit(self, position: int) -> bool:
        """Whether the input at a position is optional."""
        return position < len(self.inputs) and self.inputs[position] in self.optional

    @property
    def table_name(self) -> str:
        """The schema's name of the options table; empty for an operator whose options are not read."""
        return "" if self.options is NoOptions else self.table or self.options.__name__

    @property
    def needs_table(self) -> bool:
        """Whether the operator means nothing without its options."""
        required = any(f.default is MISSING for f in fields(self.options))
        return self.table_required or required

    @cached_property
    def readings(self) -> Mapping[str, Read]:
        """How each field of the options is read, with its name in the schema."""
        hints = get_type_hints(self.options, include_extras=True)
        found = {}
        for field in fields(self.options):
            kind, *annotations = get_args(hints[field.name]) or (hints[field.name],)
            own = next((a for a in annotations if isinstance(a, Read)), None)
            name = own.name if own else ""
            camel = "".join(part.capitalize() for part in field.name.split("_"))
            found[field.name] = Read(own.value if own else _BY_TYPE[kind], name or camel)
        return found

    def read_options(self, kind: str, table: str, values: Mapping[str, Any] | None, where: str) -> Options:
        """Return the options of one operator of a file.

        Args:
            kind: The operator's builtin name.
            table: Name of the options table in the file; empty where there is none.
            values: The table's fields by the schema's names.
            where: File and layer, for messages.

        Raises:
            ModelError: the table is missing, another operator's, or holds a value without meaning.
        """
        if not self.table_name or (not table and not self.needs_table):
            return self.options()
        if table != self.table_name or values is None:
            raise ModelError(
                f"its options are {table or 'missing'}; {kind} needs {self.table_name}",
                where=where,
                remedy=DAMAGED,
            )
        # A table may lack a field that others of the same dataclass have: MUL's that ADD has.
        return self.options(
            **{
                name: read.value(values[read.name], read.name, where)
                for name, read in self.readings.items()
                if read.name in values
            }
        )
