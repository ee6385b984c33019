"""Every kind of block and of layer has every facet, and a new kind of block needs no more than its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.search.report import outline, outline_of
from micronets_gen.search.space import export
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Backbone, Element, Space
from micronets_gen.search.space.blocks import BLOCKS, Block, Conv, width_key
from micronets_gen.search.space.cost import ExpectedCost, cost_of
from micronets_gen.search.space.layers import LAYER_KINDS, RELU, LayerList, Pair

pytest.importorskip("tensorflow")


@dataclass(frozen=True)
class Twin(Block):
    """Two convolutions, the first with a width of its own: no kind of the package."""

    type: ClassVar[str] = "twin"
    widths: ClassVar[tuple[str, ...]] = ("first", "channels")
    channels: int = 8
    first: int = 8
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)

    def lower(self, index: int, layers: LayerList) -> None:
        first, last = (width_key(index, name) for name in self.widths)
        layers.append(f"twin{index}_a", "conv", self.first, first, index, self.kernel, self.stride, RELU)
        layers.append(f"twin{index}_b", "conv", self.channels, last, index, activation=RELU)

    def summary(self) -> str:
        return f"Twin {self.first}-{self.channels}"


@pytest.fixture(autouse=True)
def twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BLOCKS, "twin", Twin)


@pytest.mark.parametrize("kind", LAYER_KINDS)
def test_every_kind_of_layer_is_written_and_computed(kind: str) -> None:
    from micronets_gen.search.learn.network import FORWARD, KERAS

    assert kind in export.OPERATORS
    assert kind in export.OPTIONS
    assert kind in KERAS
    assert (kind in FORWARD) == (kind != "softmax"), "a network ends in logits"


@pytest.mark.parametrize("kind", [*BLOCKS, "twin"])
def test_every_kind_of_block_has_every_facet(kind: str) -> None:
    from micronets_gen.search.learn.network import Network, keras_model
    from micronets_gen.search.learn.supernet import Supernet
    from micronets_gen.search.space.blocks import block_from

    sizes = dict.fromkeys(BLOCKS[kind].widths, 8)
    block = block_from({"type": kind, "kernel": 2, **sizes}, "here")
    architecture = Architecture("one", (8, 8, 1), 3, (Conv(8), block))
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert block.summary() in architecture.summary()

    file = export.write_tflite(export.placeholder(architecture))
    assert cost_of(architecture).model_bytes == len(file), "cost"
    assert len(read_model_bytes(file, "one").operators) == len(lower(architecture)), "file"

    features = np.random.default_rng(0).uniform(0, 1, (4, 8, 8, 1)).astype(np.float32)
    network = Network(lower(architecture), 0, (0.0, 1.0))
    network.calibrate(features)
    assert network(features).shape == (4, 3), "network"
    assert keras_model(network, architecture.input_shape)(features).shape == (4, 3)
    read_model_bytes(export.write_tflite(network.quantised(architecture)), "one")

    elements = (Element(Conv(8)), Element(block, skip=bool(block.widths)))
    space = Space(Backbone("one", "one", elements), (8, 8, 1), 3).validate()
    assert {width_key(1, name) for name in block.widths} - {str(n) for n in space.residual} <= set(
        space.widths
    )
    supernet = Supernet(space, 0, (0.0, 1.0))
    costs = ExpectedCost(space)(supernet.decisions(1.0))
    assert float(costs["ops"]) < cost_of(space.largest).ops
    for choice in (space.full(), space.smallest()):
        expected = supernet.network(features, quantise=False, gates=supernet.gates_of(choice))
        actual = supernet.child(choice, 0)(features, quantise=False)
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4, err_msg="supernet")
        row = outline(space, choice)[1]
        assert (row["type"], row["kept"]) == (kind, choice.kept.get(1, True)), "picture"
    assert [width["name"] for width in outline_of(architecture)[1]["widths"]] == list(block.widths)
