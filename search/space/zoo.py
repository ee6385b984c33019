"""Published architectures by name: those of the MicroNets paper and the DS-CNN baselines that it measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from micronets_gen.common.files import write_atomically
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.errors import UsageError
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.blocks import Block, Conv, Pool, Separable
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.export import placeholder, write_tflite
from micronets_gen.search.space.layers import Shape


@dataclass(frozen=True)
class Published:
    """What a paper says of a model.

    Attributes:
        task: The task that it is for.
        source: Where the architecture and the figures stand.
        quality: As published, for example ``96.5 %``.
        flash_kb: Size of the ``.tflite`` file in KB.
        sram_kb: SRAM with the interpreter's overhead, in KB.
        mops: Millions of operations; a multiply-accumulate is two.
    """

    architecture: Architecture
    task: str
    source: str
    quality: str
    flash_kb: float
    sram_kb: float
    mops: float


_PAPER = "arXiv:2010.11267, tables 4 and 5"
_BASELINE = "arXiv:1711.07128, with the strides that arXiv:2010.11267, table 4, measures"
_KWS: Shape = (49, 10, 1)
_AD: Shape = (32, 32, 1)


def _kws(name: str, stem: int, *rest: int) -> Architecture:
    first, *others = rest
    blocks: tuple[Block, ...] = (
        Conv(stem, (10, 4)),
        Separable(first, stride=(2, 2)),
        *(Separable(channels) for channels in others),
        Pool(),
    )
    return Architecture(name, _KWS, 12, blocks)


def _ad(name: str, stem: int, *rest: int) -> Architecture:
    strides = (2, *[1] * (len(rest) - 3), 2, 2)
    blocks: tuple[Block, ...] = (
        Conv(stem),
        *(Separable(channels, stride=(s, s)) for channels, s in zip(rest, strides, strict=True)),
        Pool(),
    )
    return Architecture(name, _AD, 4, blocks)


_MODELS = (
    Published(_kws("micronet-kws-s", 84, 112, 84, 84, 84, 196), "kws", _PAPER, "95.3 %", 102, 53.2, 16.4),
    Published(
        _kws("micronet-kws-m", 140, 140, 140, 140, 112, 196), "kws", _PAPER, "95.8 %", 163, 103.3, 30.6
    ),
    Published(
        _kws("micronet-kws-l", 276, 248, 276, 276, 248, 248, 248, 248),
        "kws",
        _PAPER,
        "96.5 %",
        612,
        208.8,
        129,
    ),
    Published(_ad("micronet-ad-s", 72, 164, 220, 276, 276), "ad", _PAPER, "AUC 95.35 %", 253, 114.2, 37.5),
    Published(
        _ad("micronet-ad-m", 192, 276, 276, 276, 276, 276), "ad", _PAPER, "AUC 96.05 %", 464, 274.5, 124.7
    ),
    Published(
        _ad("micronet-ad-l", 276, 248, 276, 276, 248, 248), "ad", _PAPER, "AUC 97.28 %", 442, 383.7, 129
    ),
    Published(_kws("ds-cnn-s", 64, *[64] * 4), "kws", _BASELINE, "94.15 %", 49, 47.2, 7.1),
    Published(_kws("ds-cnn-m", 172, *[172] * 4), "kws", _BASELINE, "95 %", 181, 123.3, 37.3),
    Published(_kws("ds-cnn-l", 276, *[276] * 5), "kws", _BASELINE, "95.9 %", 490, 201.3, 107.2),
)

ZOO: Mapping[str, Published] = MappingProxyType({model.architecture.name: model for model in _MODELS})
"""Every published model by name."""


def names() -> tuple[str, ...]:
    """Return the names of the published models."""
    return tuple(ZOO)


def published(name: str) -> Published:
    """Return a published model.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in ZOO:
        file = Path(name) / "architecture.json"
        remedy = did_you_mean(name, ZOO, f"one of {', '.join(ZOO)}")
        if file.is_file():
            remedy = f"did you mean {file}?"
        raise UsageError("no such published model", where=name, remedy=remedy)
    return ZOO[name]


def write_untrained(name: str, folder: Path) -> Path:
    """Write a published model with random weights as ``<name>-untrained.tflite``; return the file.

    Raises:
        UsageError: there is none of that name.
    """
    content = write_tflite(placeholder(published(name).architecture))
    path = folder / f"{name}-untrained.tflite"
    if not path.is_file() or path.read_bytes() != content:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return path


def published_list() -> list[dict[str, object]]:
    """Return one JSON object a published model: what the paper says, and what it costs here."""
    rows: list[dict[str, object]] = []
    for name, model in ZOO.items():
        cost = cost_of(model.architecture)
        rows.append(
            {
                "name": name,
                "task": model.task,
                "trained": False,
                "architecture": model.architecture.summary(),
                "source": model.source,
                "paper": {
                    "quality": model.quality,
                    "flash_kb": model.flash_kb,
                    "sram_kb": model.sram_kb,
                    "mops": model.mops,
                },
                "cost": asdict(cost),
            }
        )
    return rows


def page() -> str:
    """Return ``docs/zoo.md``: what the paper says of each model, and what it costs here."""
    rows = []
    for row in published_list():
        name = str(row["name"])
        model, cost = ZOO[name], cost_of(ZOO[name].architecture)
        size, memory = cost.model_bytes / 1024, cost.working_memory / 1024
        rows.append(
            f"| `{name}` | {model.mops:g} | {cost.ops / 1e6:.1f} | {cost.parameters:,} | {model.flash_kb:g} "
            f"| {size:.0f} | {model.sram_kb:g} | {memory:.1f} | {model.quality} |"
        )
    layers = [f"| `{name}` | {model.architecture.summary()} |" for name, model in ZOO.items()]
    return _PAGE.format(rows="\n".join(rows), layers="\n".join(layers))


_PAGE = """\
# Published architectures

<!-- Written by `python -m micronets_gen.search.space.zoo > docs/zoo.md`. -->

The models of the MicroNets paper for keyword spotting and anomaly detection, and the DS-CNN baselines that it measures
(arXiv:2010.11267, tables 4 and 5), by name:

```sh
micronets-gen build --board nucleo_f446re --model micronet-kws-m      # random weights, marked untrained everywhere
micronets-gen train --model micronet-kws-s --data DIR --out runs/kws  # on Speech Commands v2
```

| model | MOps, paper | MOps | parameters | KB, paper | file KB | SRAM KB, paper | working memory KB | quality, paper |
|---|---|---|---|---|---|---|---|---|
{rows}

Why they differ:

- **MOps**: two operations a multiply-accumulate, of convolutions and fully connected layers alone. The AD models come
  out as in the paper, to the digit; the KWS models and DS-CNN 1 % to 2 % above it.
- **File**: the file is written by the search itself, without converter, names and metadata that no kernel reads.
- **SRAM**: the paper measures the whole interpreter; working memory is what any runtime needs at least: the activations
  that are alive together. `build` says what a runtime adds.
- DS-CNN has the strides with which the paper's figures come out: the first convolution 1, the first separable block 2.

| model | layers |
|---|---|
{layers}
"""


if __name__ == "__main__":
    print(page(), end="")
