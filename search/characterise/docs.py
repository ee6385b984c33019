"""``docs/characterisation.md``: what characterisations found, beside what the MicroNets paper says.

``python -m micronets_gen.search.characterise.docs DIR/characterisation.json... > docs/characterisation.md``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median

from micronets_gen.common.numbers import frequency, milliseconds
from micronets_gen.errors import MicronetsError
from micronets_gen.search.characterise.result import (
    Result,
    band_text,
    mops_per_second,
    read_results,
    sweep,
    time_ratios,
)

PAPER_MS: Mapping[str, Mapping[str, float]] = {
    "nucleo_f446re": {
        "micronet-kws-m": 426,
        "micronet-kws-s": 250,
        "micronet-ad-s": 457,
        "ds-cnn-s": 131,
    },
    "nucleo_f746zg": {
        "micronet-kws-m": 187,
        "micronet-kws-s": 109,
        "micronet-ad-s": 192,
        "ds-cnn-m": 219,
        "ds-cnn-s": 58,
    },
    "nucleo_f767zi": {
        "micronet-kws-m": 181,
        "micronet-kws-s": 108,
        "micronet-ad-s": 194,
        "ds-cnn-m": 212,
        "ds-cnn-s": 58,
    },
}
"""Milliseconds of an inference on the paper's boards S, M and L (table 4)."""

PAPER_MJ: Mapping[str, Mapping[str, float]] = {
    "nucleo_f446re": {
        "micronet-kws-m": 70.56,
        "micronet-kws-s": 40.68,
        "micronet-ad-s": 74.16,
        "ds-cnn-s": 21.132,
    },
    "nucleo_f746zg": {
        "micronet-kws-m": 83.16,
        "micronet-kws-s": 48.6,
        "micronet-ad-s": 91.8,
        "ds-cnn-m": 98.64,
        "ds-cnn-s": 25.956,
    },
}
"""Millijoules of the same."""

_ENOUGH = 5
"""Networks that a line must rest on to count for a claim."""

_PAPER_RATIO = 21.5 / 37.5
"""Time of the paper's convolution of 140 channels over that of 138."""


def page(results: Sequence[Result]) -> str:
    """Return the page."""
    ordered = sorted(results, key=lambda r: (r.subject.runtime, r.subject.core, r.subject.board))
    parts = (_head, _linear, _slopes, _layers, _channels, _boards, _paper_times, _energy, _prediction)
    return "\n\n".join(text for part in parts if (text := part(ordered))) + "\n"


def _head(results: Sequence[Result]) -> str:
    commands = "\n".join(
        f"micronets-gen characterise {' '.join(f'--board {r.subject.board}' for r in group)} "
        f"--runtime {runtime} --out runs/{runtime}"
        for runtime, group in _by_runtime(results)
    )
    rows = [
        f"| `{board}` | {title} | {core} at {frequency(clock)} | {band} |"
        for board, title, core, clock, band in dict.fromkeys(
            (
                r.subject.board,
                r.subject.title,
                r.subject.core,
                r.subject.clock_hz,
                band_text(r.subject),
            )
            for r in results
        )
    ]
    return f"""\
# What time depends on

<!-- Written by `python -m micronets_gen.search.characterise.docs FILE... > docs/characterisation.md`. -->

Section 3 of the MicroNets paper (arXiv:2010.11267) measures layers and networks on boards, and finds that a network's
time follows from its operations as long as it is of one backbone. `micronets-gen characterise` asks the same of today's
kernels: it builds published networks, random children of the paper's three backbones and of two small ones, and random
layers, and models the time of each exact image, cycle by cycle. Nothing here was measured on a board.

```sh
{commands}
```

writes what this page was made of, and a page with pictures. Seeds are fixed: the figures are the same everywhere.

| board | | core | modelled time may be off by |
|---|---|---|---|
{_rows(rows)}

A multiply-accumulate is two operations, as in the paper."""


def _linear(results: Sequence[Result]) -> str:
    lines = [line for result in results for line in result.lines if line.networks >= _ENOUGH]
    if not lines:
        return ""
    rows = [
        f"| {r.subject.runtime} | `{r.subject.board}` | {line.name} | {line.networks} | {line.cycles_per_op:.2f} "
        f"| {mops_per_second(line, r.subject):.1f} | {line.r2:.3f} |"
        for r in results
        for line in r.lines
    ]
    least, most = min(line.r2 for line in lines), max(line.r2 for line in lines)
    within = least > 0.95 and most < 0.99
    verdict = "between 0.95 and 0.99, as in the paper" if within else "0.95 to 0.99 in the paper"
    return f"""\
## Within a backbone, time is linear in operations

A straight line through the random children of one backbone has an r² of {least:.3f} to {most:.3f}, {verdict}.
Lines through fewer than {_ENOUGH} networks do not count: on small boards only small children fit.

| runtime | board | backbone | networks | cycles an operation | Mops/s | r² |
|---|---|---|---:|---:|---:|---:|
{_rows(rows)}"""


def _slopes(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        lines = [line for line in result.lines if line.networks >= _ENOUGH]
        speed = {line.name: mops_per_second(line, result.subject) for line in lines}
        if {"kws", "vww"} <= speed.keys():
            more = 100 * (speed["kws"] / speed["vww"] - 1)
            rows.append(f"| {result.subject.runtime} | `{result.subject.board}` | {more:+.0f} % |")
    if not rows:
        return ""
    return f"""\
## Slopes differ between backbones

In the paper the backbone of keyword spotting does about 40 % more operations a second than the one of images. Here:

| runtime | board | operations a second, kws against vww |
|---|---|---:|
{_rows(rows)}

The difference is how much of a backbone is depthwise convolutions and small maps, which cost more cycles an operation
(next section)."""


def _layers(results: Sequence[Result]) -> str:
    rows = [
        f"| {r.subject.runtime} | `{r.subject.board}` | {s.name} | {s.layer_count} | {s.typical:.2f} "
        f"| {s.least:.2f} | {s.most:.2f} |"
        for r in results
        for s in r.spreads
    ]
    return f"""\
## Layers are not

Operations tell the time of a single layer badly, as in the paper: kinds differ, and so do shapes within a kind.
`CONV_2D_1X1` is a convolution of single positions, `_3X3` a depthwise one of 3x3 taps without dilation; kernels of
`_FEW` channels, fewer than four, are others.

| runtime | board | layer | layers | cycles a MAC, median | least | most |
|---|---|---|---:|---:|---:|---:|
{_rows(rows)}"""


def _channels(results: Sequence[Result]) -> str:
    swept = [(result, dict(sweep(result))) for result in results]
    swept = [(result, cycles) for result, cycles in swept if {138, 140} <= cycles.keys()]
    if not swept:
        return ""
    widths = sorted({width for _, cycles in swept for width in cycles})
    rows = [
        f"| {r.subject.runtime} | `{r.subject.board}` | "
        + " | ".join(_ms(r, cycles[width]) if width in cycles else "" for width in widths)
        + f" | {cycles[140] / cycles[138]:.2f} |"
        for r, cycles in swept
    ]
    incomplete = any(len(cycles) < len(widths) for _, cycles in swept)
    missing = "\n\nWidths without a figure were not timed in that run." if incomplete else ""
    return f"""\
## Channels that are a multiple of four

In the paper a convolution takes 37.5 ms with 138 channels and 21.5 ms with 140, {_PAPER_RATIO:.2f} of it. Here a 3x3
convolution over 6x6 positions, as many channels in as out, milliseconds:

| runtime | board | {" | ".join(map(str, widths))} | 140 over 138 |
|---|---|{"---:|" * (len(widths) + 1)}
{_rows(rows)}{missing}"""


def _boards(results: Sequence[Result]) -> str:
    rows, less = [], False
    for runtime, group in _by_runtime(results):
        by_name = {r.subject.board: r for r in group}
        small = by_name.get("nucleo_f446re")
        for name in ("nucleo_f746zg", "nucleo_f767zi"):
            if small is None or name not in by_name:
                continue
            if not (ratios := list(time_ratios(small, by_name[name]).values())):
                continue
            paper = [
                PAPER_MS[name][model] / value
                for model, value in PAPER_MS["nucleo_f446re"].items()
                if model in PAPER_MS[name]
            ]
            rows.append(
                f"| {runtime} | `{name}` over `nucleo_f446re` | {len(ratios)} | {median(ratios):.2f} "
                f"| {min(ratios):.2f} to {max(ratios):.2f} | {min(paper):.2f} to {max(paper):.2f} |"
            )
            less |= median(ratios) > max(paper)
    if not rows:
        return ""
    text = f"""\
## Boards side by side

The paper's boards S, M and L are `nucleo_f446re`, `nucleo_f746zg` and `nucleo_f767zi`. Networks that fit both:

| runtime | boards | networks | median | range | in the paper |
|---|---|---:|---:|---|---|
{_rows(rows)}"""
    if less:
        text += """

Where a larger board gains less than in the paper, today's kernels gained more on the smaller one (next section)."""
    return text


def _paper_times(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        for model in result.networks:
            paper = PAPER_MS.get(result.subject.board, {}).get(model.name)
            if paper is not None:
                own = result.subject.milliseconds(model.cycles)
                rows.append(
                    f"| `{model.name}` | `{result.subject.board}` | {result.subject.runtime} | {paper:g} "
                    f"| {milliseconds(own)} | {own / paper:.2f} |"
                )
    if not rows:
        return ""
    return f"""\
## The paper's networks

Milliseconds of an inference, measured in the paper with TensorFlow Lite Micro and CMSIS-NN of 2020, and modelled here
with the kernels of today. They differ because kernels and compilers do, besides the band above.

| network | board | runtime | paper, measured | here, modelled | ratio |
|---|---|---|---:|---:|---:|
{_rows(rows)}"""


def _energy(results: Sequence[Result]) -> str:
    powers = {r.subject.board: r.subject for r in results if r.subject.power_mw is not None}
    if not powers:
        return ""
    rows = [
        f"| `{model.name}` | `{r.subject.board}` | {r.subject.runtime} | {paper:.1f} | {own / 1e3:.1f} |"
        for r in results
        for model in r.networks
        if (paper := PAPER_MJ.get(r.subject.board, {}).get(model.name))
        and (own := r.subject.energy_uj(model.cycles))
    ]
    sources = "\n".join(
        f"| `{name}` | {s.power_mw:g} mW | ±{s.energy_error_percent:.0f} % | {s.power_source} |"
        for name, s in powers.items()
    )
    text = f"""\
## Power and energy

That power does not depend on the network is the paper's finding (its spread over 400 models is 0.7 %), and nothing here
can test it: power is no part of the model. It is taken as published ([energy.md](energy.md)), times modelled time.

| board | power | an energy may be off by | source |
|---|---:|---|---|
{sources}"""
    if rows:
        text += f"""

Millijoules of an inference, in the paper and here; of boards whose power is the paper's, they differ as times do:

| network | board | runtime | paper | here |
|---|---|---|---:|---:|
{_rows(rows)}"""
    return text + _smaller(results)


def _smaller(results: Sequence[Result]) -> str:
    """Return whether the smaller board takes less energy for the same network, as in the paper."""
    sentences = []
    for runtime, group in _by_runtime(results):
        by_name = {r.subject.board: r for r in group}
        small, large = by_name.get("nucleo_f446re"), by_name.get("nucleo_f746zg")
        if small is None or large is None or not (small.subject.power_mw and large.subject.power_mw):
            continue
        power = large.subject.power_mw / small.subject.power_mw
        ratios = [power * ratio for ratio in time_ratios(small, large).values()]
        sentences.append(
            f"With {runtime} the F746ZG takes {median(ratios):.2f} times the energy of the F446RE for the same network "
            f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} networks)."
        )
    if not sentences:
        return ""
    paper = [
        PAPER_MJ["nucleo_f746zg"][name] / value
        for name, value in PAPER_MJ["nucleo_f446re"].items()
        if name in PAPER_MJ["nucleo_f746zg"]
    ]
    return (
        f"\n\nThe paper's smaller board takes less energy although it is slower: the larger one {min(paper):.2f} to "
        f"{max(paper):.2f} times as much.\n" + "\n".join(sentences)
    )


def _prediction(results: Sequence[Result]) -> str:
    rows = [
        f"| {g.runtime} | `{g.board}` | {g.models} | {g.median_percent:.2f} % | {g.worst_percent:.2f} % |"
        for g in (result.regression for result in results)
    ]
    return f"""\
## Time from layers

A sum over layers tells the time of a network of any backbone before it is compiled: for each kind of layer so many
cycles a multiply-accumulate, an output element, an input element that is gathered, a position, a channel and a call;
of a window also a row, a row inside the input, a tap inside, and an input element under one; of a convolution also a
multiply-accumulate by weights beyond the first 4 KiB, which a small cache has lost by the next position. None of them
is negative. `search --fps`, `--latency-ms` and `check` use it ([search.md](search.md)). Each network was left out in
turn, those of the small backbones `digits` and `kws-small` included, and predicted from the others' layers:

| runtime | board | networks | median error | worst |
|---|---|---:|---:|---:|
{_rows(rows)}

These are errors against modelled time; against a board the band at the top comes on top."""


def _ms(result: Result, cycles: float) -> str:
    return milliseconds(result.subject.milliseconds(cycles))


def _by_runtime(results: Sequence[Result]) -> Iterator[tuple[str, list[Result]]]:
    for runtime, group in groupby(results, key=lambda r: r.subject.runtime):
        yield runtime, list(group)


def _rows(rows: Sequence[str]) -> str:
    return "\n".join(rows)


def main(files: Sequence[str]) -> int:
    """Print the page of some ``characterisation.json``."""
    try:
        print(page([result for file in files for result in read_results(Path(file))]), end="")
    except MicronetsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
