"""Architectures as data: files, notation, layers, backbones, published models."""

from __future__ import annotations

from pathlib import Path

import pytest

from micronets_gen.errors import UsageError
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Choice, Space, backbone_names, load_backbone
from micronets_gen.search.space.blocks import Conv, Inverted, Pool, Separable
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.zoo import ZOO, page, published

EXAMPLE = Architecture(
    "example",
    (49, 10, 1),
    12,
    (
        Conv(8, (10, 4), (2, 1)),
        Separable(12, stride=(2, 2)),
        Inverted(12, 24),
        Inverted(20, 24, residual=False),
        Pool((2, 2), "max"),
        Pool(),
    ),
)


def test_a_file_keeps_the_whole_architecture(tmp_path: Path) -> None:
    EXAMPLE.save(tmp_path / "architecture.json")
    assert Architecture.load(tmp_path / "architecture.json") == EXAMPLE


def test_the_notation_is_the_papers() -> None:
    assert (
        published("micronet-kws-s").architecture.summary()
        == "Conv 10x4 c84 s1; DSB 112,2; DSB 84,1; DSB 84,1; DSB 84,1; DSB 196,1; AvgPool global; FC 12"
    )


def test_layers_know_shapes_and_branches() -> None:
    layers = {layer.name: layer for layer in lower(EXAMPLE)}
    assert layers["block00"].out_shape == (25, 10, 8)
    assert layers["block01_depthwise"].out_shape == (13, 5, 8)
    assert layers["block02_add"].inputs == (6, 3)
    assert "block03_add" not in layers
    assert layers["block04"].out_shape == (7, 3, 20)
    assert layers["logits"].weight_shape == (20, 12)
    assert list(layers)[-1] == "probabilities"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"blocks": [{"type": "cnov", "channels": 4}]}, "unknown block type"),
        ({"blocks": [{"type": "conv"}]}, "the key 'channels' is missing"),
        ({"blocks": [{"type": "conv", "channels": 0}]}, "size below 1"),
        ({"blocks": [{"type": "conv", "channels": 4, "depth": 3}]}, "unknown key 'depth'"),
        (
            {"blocks": [{"type": "conv", "channels": 4, "kernel": "3"}]},
            "'kernel' must be an integer, or an array of two",
        ),
        ({"blocks": [{"type": "separable", "channels": 4, "stride": [2, 1]}]}, "unequal strides"),
        ({"blocks": [{"type": "pool", "mode": "median"}]}, "unknown pooling"),
        ({"classes": 0}, "sizes below 1"),
        ({"input_shape": [4, 4]}, "is no architecture"),
    ],
)
def test_what_makes_no_network_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Architecture.from_json({**EXAMPLE.to_json(), **change})


@pytest.mark.parametrize("text", ["{", "[]", None])
def test_a_file_that_holds_none_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "architecture.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"architecture\.json"):
        Architecture.load(path)


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("digits", (8, 8, 1), 10), ("kws", (49, 10, 1), 12), ("kws-small", (49, 10, 1), 12),
     ("kws-strided", (49, 10, 1), 12), ("ad", (32, 32, 1), 4), ("vww", (50, 50, 1), 2)],
)  # fmt: skip
def test_the_backbones_of_the_package_span_a_space(
    name: str, shape: tuple[int, int, int], classes: int
) -> None:
    assert name in backbone_names()
    space = Space(load_backbone(name), shape, classes).validate()
    small, large = (cost_of(space.architecture(choice)) for choice in (space.smallest(), space.full()))
    assert space.architecture(space.full()) == space.largest or name == "vww"
    assert small.ops * 10 < large.ops
    assert small.working_memory < large.working_memory


def test_the_papers_backbones_choose_what_the_paper_says() -> None:
    kws = Space(load_backbone("kws"), (49, 10, 1), 12)
    assert kws.widths["3"] == tuple(range(4, 277, 4))
    assert len(kws.skips) == 9
    vww = Space(load_backbone("vww"), (160, 160, 1), 2)
    assert vww.widths["4.hidden"] == tuple(round(14.4 * k) for k in range(1, 11))
    assert "3" not in vww.widths, "a block that adds its input has its input's width"


def test_a_block_left_out_that_downsamples_leaves_a_pooling() -> None:
    space = Space(load_backbone("ad"), (32, 32, 1), 4)
    blocks = space.architecture(space.smallest()).blocks
    assert blocks == (Conv(4), Pool((2, 2)), Pool((2, 2)), Pool((2, 2)), Pool())


def test_a_bottleneck_adds_only_what_the_supernet_adds() -> None:
    space = Space(load_backbone("vww"), (50, 50, 1), 2)
    widths = {key: options[-1] for key, options in space.widths.items()} | {"1": 24, "2": 24}
    architecture = space.architecture(Choice(widths, dict.fromkeys(space.skips, True)))
    assert {layer.block for layer in lower(architecture) if layer.kind == "add"} == space.residual


BACKBONE = """
multiple = 8
[[blocks]]
type = "conv"
channels = 20
[[blocks]]
type = "separable"
channels = 20
skip = true
times = 2
[[blocks]]
type = "separable"
channels = 12
search = false
"""


def test_a_users_own_backbone_is_a_short_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BACKBONE, encoding="utf-8")
    space = Space(load_backbone(path), (8, 8, 1), 3).validate()
    assert space.backbone.name == "mine"
    assert space.widths == {"0": (8, 16, 20), "1": (8, 16, 20), "2": (8, 16, 20), "3": (12,)}
    assert space.skips == (1, 2)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("multiple = 8", "", "rule for widths"),
        ("multiple = 8", "multiple = 8\nfractions = 2", "rule for widths"),
        ("multiple = 8", "multiple = 0", "count from 1"),
        ("multiple = 8", "multiple = 8\nwidth = 1", "unknown key"),
        ("channels = 20\nskip", "channels = 24\nskip", "cannot be left out"),
        ("multiple", "multiple =", "is not valid TOML"),
        (BACKBONE.strip(), "multiple = 4", "no blocks"),
        (BACKBONE.strip(), "multiple = 4\nblocks = ['conv']", "must be an array of tables"),
        ('type = "conv"', 'type = "convv"', r"\[\[blocks\]\] 1: unknown block type(.|\n)*did you mean conv"),
        ("channels = 20\nskip", "channel = 20\nskip", r"\[\[blocks\]\] 2(.|\n)*did you mean channels"),
        ("channels = 20", "channels = 2.5", "'channels' must be an integer"),
        ("channels = 20", "", "the key 'channels' is missing"),
        ("skip = true", "skip = 1", "'skip' must be true or false"),
        ("times = 2", "times = 0", "times must be from 1"),
        ('type = "conv"\nchannels = 20', 'type = "pool"\nkernel = [2, 0]', "size below 1"),
    ],
)
def test_a_backbone_that_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BACKBONE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        Space(load_backbone(path), (8, 8, 1), 3).validate()


def test_a_misspelt_backbone_is_guessed() -> None:
    with pytest.raises(UsageError, match="did you mean digits"):
        load_backbone("digit")


@pytest.mark.parametrize("name", ZOO)
def test_published_models_cost_what_the_paper_says(name: str) -> None:
    """Sizes of files vary with the converter; the paper's SRAM holds the interpreter and its buffers too."""
    model = published(name)
    cost = cost_of(model.architecture)
    assert cost.ops / 1e6 == pytest.approx(model.mops, rel=0.025)
    assert 0.86 * model.flash_kb < cost.model_bytes / 1024 < model.flash_kb
    assert 0.75 * model.sram_kb < cost.working_memory / 1024 < model.sram_kb


def test_a_misspelt_model_is_guessed() -> None:
    with pytest.raises(UsageError, match="did you mean micronet-kws-s"):
        published("micronet-kws")


def test_the_page_of_published_models_is_up_to_date() -> None:
    path = Path(__file__).resolve().parents[2] / "docs" / "zoo.md"
    assert path.read_text(encoding="utf-8") == page(), (
        "run: python -m micronets_gen.search.space.zoo > docs/zoo.md"
    )


def test_the_folder_of_a_run_is_pointed_to_its_architecture(tmp_path: Path) -> None:
    (tmp_path / "architecture.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"did you mean .*architecture\.json"):
        published(str(tmp_path))
