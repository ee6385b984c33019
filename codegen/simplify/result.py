"""What simplifying a model came to."""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.model.graph import Graph


@dataclass(frozen=True)
class Change:
    """Something that was left out.

    Attributes:
        layer: Name of the operator that changed, in the simplified graph where it is still there.
        what: A clause: "12 of its 64 channels are constant or unused and left out".
    """

    layer: str
    what: str


@dataclass(frozen=True)
class Amount:
    """Work and storage of a graph.

    Attributes:
        macs: Multiply-accumulates of an inference.
        weight_bytes: Bytes of its constants.
        operator_count: How many layers there are.
    """

    macs: int
    weight_bytes: int
    operator_count: int


@dataclass(frozen=True)
class Savings:
    """What was left out of a model.

    Attributes:
        changes: In the order of its layers; empty where nothing could be left out.
        before: Of the model as given.
        after: Of what is computed.
    """

    changes: tuple[Change, ...]
    before: Amount
    after: Amount


@dataclass(frozen=True, eq=False)
class Simplified:
    """An equal graph.

    Attributes:
        graph: With the same inputs and outputs, in shape, type and quantisation.
    """

    graph: Graph
    savings: Savings
