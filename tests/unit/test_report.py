"""Reports say the same in the terminal, as JSON and as a page that is well-formed and needs nothing else."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from micronets_gen.boards.board import Board, Region, Uart
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.common import numbers
from micronets_gen.emulate.result import Difference, LayerCount, RunResult, VectorResult
from micronets_gen.errors import MicronetsError
from micronets_gen.image.elf import analyse_elf
from micronets_gen.image.stack import Frame as StackFrame
from micronets_gen.image.stack import StackReport
from micronets_gen.model.graph import Graph
from micronets_gen.operators.reading import read_model
from micronets_gen.plan.memory import plan_memory
from micronets_gen.plan.plan import LayerCode
from micronets_gen.report import layer_table, terminal
from micronets_gen.report.describe import describe_image, describe_model, describe_stack
from micronets_gen.report.document import from_json, to_document, to_json
from micronets_gen.report.html import to_html
from micronets_gen.report.pictures import (
    layer_bars,
    memory_picture,
    region_pictures,
    stack_bars,
)
from micronets_gen.report.report import (
    BoardInfo,
    Frame,
    ImageInfo,
    LayerInfo,
    Part,
    RegionUse,
    Report,
    Section,
    StackInfo,
    Symbol,
)
from micronets_gen.report.summary import circumstances
from micronets_gen.timing.result import Band, LayerTime, Spent, Timing

NASTY = """<script>alert("1")</script>&'{{ 7 * 7 }}"""
VOID = {"meta", "br", "hr", "img", "input", "link"}


FLASH_PARTS = (Part("kernels", 14_006), Part("weights", 7_000))


def graph_layers(graph: Graph) -> tuple[LayerInfo, ...]:
    return tuple(
        LayerInfo(
            op.index,
            op.name,
            op.kind,
            graph.tensor(op.inputs[0]).shape,
            graph.tensor(op.outputs[0]).shape,
            1000 * op.index if "CONV" in op.kind else 0,
            f"mn_{op.kind.lower()}_s8",
        )
        for op in graph.operators
    )


def graph_report() -> Report:
    graph = read_model(resolve_model("digits").path)
    codes = [LayerCode((), (), alias=op.kind == "RESHAPE", scratch_bytes=64) for op in graph.operators]
    layers = graph_layers(graph)
    counts = tuple(LayerCount(x.index, x.name, x.op, x.macs, 2 * x.macs + 1234) for x in layers)
    run = RunResult(
        passed=True,
        ran_on="virtual board",
        board="nucleo_f746zg",
        runtime="aot",
        model=graph.name,
        build="5eed",
        unit="instructions",
        count=sum(layer.count for layer in counts) + 77,
        startup=88,
        granularity=1.0,
        clock_hz=216_000_000,
        clock_note="",
        vectors=tuple(VectorResult(index, True, 0, (), 3, 3 if index else 7) for index in range(32)),
        layers=counts,
        output="MN,begin,1\n",
    )
    image = ImageInfo(
        flash_bytes=21_006,
        ram_bytes=3_612,
        arena_bytes=3_104,
        runtime_bytes=14_006,
        regions=(
            RegionUse("FLASH", "flash", 0x08000000, 1 << 20, FLASH_PARTS),
            RegionUse("DTCM", "ram", 0x20000000, 65_536, (Part("tensor arena", 3_104), Part("bss", 508))),
            RegionUse("SRAM1", "ram", 0x20010000, 245_760, ()),
        ),
        sections=(Section(".text", "FLASH", 21_006),),
        symbols=(Symbol("model_arena", ".arena", "tensor arena", 3_104),),
    )
    return Report(
        model=describe_model(graph),
        board=BoardInfo("nucleo_f746zg", "NUCLEO-F746ZG", "STM32F746ZG", "cortex-m7", 216_000_000, "dsp"),
        runtime="aot",
        runtime_reason="asked for",
        generator="micronets-gen 0.1.0",
        layers=layers,
        memory=plan_memory(graph, codes),
        image=image,
        stack=StackInfo(712, 4_096, (Frame("main", 600), Frame("mn_conv", 112)), notes=("A note.",)),
        run=run,
        lock=(("arm-none-eabi-gcc", "12.2.1"),),
    )


@pytest.fixture(scope="module")
def report() -> Report:
    return graph_report()


def variants(report: Report) -> Iterator[tuple[str, Report]]:
    """Yield the report in every state of knowledge that a project can be in."""
    assert report.run
    assert report.image
    good = tuple(VectorResult(index, True, 0) for index in range(3))
    bad = (*good, VectorResult(3, False, 2, (Difference(5, 249, 8), Difference(6, 1, 2))))
    yield "whole", report
    yield "generated", replace(report, image=None, stack=None, run=None)
    yield "built", replace(report, run=None)
    yield "run", replace(report, run=replace(report.run, layers=()))
    yield "failed", replace(report, run=replace(report.run, passed=False, vectors=bad))
    on_board = replace(report.run, unit="cycles", clock_note="Fell back to HSI.")
    spent = Spent(1, 2, 3, 4, 5, 6, 7, 8)
    timing = Timing("cortex-m7", "no wait states", 216_000_000, Band(4.0, 9), spent)
    yield "timed", replace(report, timing=timing)
    layers = tuple(LayerTime(row.layer.index, spent) for row in report.rows)
    yield "layers timed", replace(report, timing=replace(timing, layers=layers))
    yield "not timed", replace(report, timing_note="there is no compiler")
    yield "on a board", replace(report, run=on_board)
    yield "bare", replace(report, layers=(), memory=None, image=None, stack=None, run=None, lock=())
    regions = (replace(report.image.regions[0], size=20_000), *report.image.regions[1:])
    yield "too large", replace(report, image=replace(report.image, regions=regions))


VARIANTS = pytest.mark.parametrize("variant", [name for name, _ in variants(graph_report())])


@pytest.mark.parametrize("note", ["the oscillator did not start", "The oscillator did not start."])
def test_note_about_the_clock_is_a_sentence(note: str) -> None:
    run = graph_report().run
    assert run is not None
    assert circumstances(replace(run, clock_note=note)).endswith(". The oscillator did not start.")
    assert circumstances(replace(run, clock_note="")).endswith(".")


class Page(HTMLParser):
    """Checks nesting and collects what there is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []
        self.unlabelled: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, dict(attrs))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def _note(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tags.add(tag)
        if attributes.get("id"):
            self.ids.append(str(attributes["id"]))
        self.references += str(attributes.get("aria-labelledby") or "").split()
        self.links += [str(v) for k, v in attributes.items() if k in ("href", "src", "xlink:href", "action")]
        named = {"aria-label", "aria-labelledby"} & set(attributes)
        if attributes.get("role") == "img" and not named:
            self.unlabelled.append(str(self.getpos()))


@VARIANTS
def test_page_is_well_formed_and_self_contained(report: Report, variant: str) -> None:
    text = to_html(dict(variants(report))[variant])
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert set(page.references) <= set(page.ids)
    assert page.links == []
    assert page.unlabelled == []
    assert not page.tags & {"script", "link", "iframe", "img", "object", "embed"}
    assert not re.search(r"https?:|@import|url\(|//[a-z]", text)
    assert "None" not in "".join(page.text)


@VARIANTS
def test_json_round_trip(report: Report, variant: str) -> None:
    subject = dict(variants(report))[variant]
    assert from_json(to_json(subject)) == subject


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.from_type(Report))
def test_json_round_trip_of_any_value_of_the_types(subject: Report) -> None:
    text = to_json(replace(subject, memory=None))  # whose moments are those of the layers
    assert to_json(from_json(text)) == text


def test_json_totals(report: Report) -> None:
    document = json.loads(to_json(report))
    assert report.run
    assert document["schema"] == 2
    assert document["totals"] == {
        "macs": report.macs,
        "layers": 10,
        "flash_bytes": 21_006,
        "ram_bytes": 3_612,
        "arena_bytes": 3_104,
        "stack_bytes": 712,
        "passed": True,
        "correct": 31,
        "labelled": 32,
        "count": report.run.count,
        "unit": "instructions",
        "cycles": None,
        "milliseconds": None,
        "error_percent": None,
        "difference_percent": None,
    }


def test_json_fields_are_documented(report: Report) -> None:
    words = set(re.findall(r"`(\w+)`", (Path(__file__).parents[2] / "docs" / "report.md").read_text()))
    assert set(to_document(report)) <= words
    assert set(field_names(Report)) <= words


def field_names(kind: Any) -> Iterator[str]:
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        for field in fields(kind):
            yield field.name
            yield from field_names(hints[field.name])
    else:
        for argument in get_args(kind):
            yield from field_names(argument)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "report.json: is not valid JSON"),
        ("[]", "report.json: has schema None; this version reads 2"),
        ('{"schema": 1}', "report.json: has schema 1; this version reads 2"),
        ('{"schema": 2, "runtime": 3}', "report.json: is not a whole report"),
        ('{"schema": 2}', "report.json: is not a whole report"),
    ],
)
def test_json_that_is_no_report(text: str, message: str) -> None:
    with pytest.raises(MicronetsError) as error:
        from_json(text)
    assert str(error.value).splitlines()[0] == message
    assert error.value.remedy == "build the project again with this version of micronets-gen"


def test_json_whose_memory_is_not_that_of_its_layers(report: Report) -> None:
    document = json.loads(to_json(report))
    with pytest.raises(MicronetsError, match="is not a whole report"):
        from_json(json.dumps(document | {"layers": []}))
    document["memory"]["buffers"][0]["first"] = -(1 << 70)
    with pytest.raises(MicronetsError, match="is not a whole report"):
        from_json(json.dumps(document))


def test_json_takes_a_field_that_is_new(report: Report) -> None:
    document = json.loads(to_json(report))
    document["novelty"] = 1
    del document["lock"]
    assert from_json(json.dumps(document)) == replace(report, lock=())


def test_page_names_every_layer_and_its_figures(report: Report) -> None:
    text = " ".join(Page(to_html(report)).text)
    assert report.run
    for row in report.rows:
        assert row.layer.name in text
        assert f"{row.count:,}" in text
        assert numbers.shape(row.layer.output_shape) in text
    for value in (report.run.count, report.macs, report.outside_layers, 21_006, 3_104, 712, 4_096):
        assert f"{value:,}" in text
    assert report.layers_count + (report.outside_layers or 0) == report.run.count
    assert "32 of 32 golden vectors byte-exact; 31 of 32 labelled samples classified correctly." in text


def test_page_shows_a_failure(report: Report) -> None:
    page = to_html(dict(variants(report))["failed"])
    text = " ".join(" ".join(Page(page).text).split())
    assert 'class="verdict fail"' in page
    assert "3 of 4 golden vectors byte-exact." in text
    assert "3 2 bytes differ 5 249 8" in text


def test_page_shows_what_does_not_fit(report: Report) -> None:
    assert "21,006 of 20,000 bytes: does not fit" in to_html(dict(variants(report))["too large"])


def test_what_measuring_changes_is_called_so(report: Report) -> None:
    assert report.run
    release = replace(report, run=replace(report.run, count=report.layers_count - 50))
    assert release.outside_layers == -50
    text = " ".join(Page(to_html(release)).text)
    assert "effect of measuring" in text
    assert "outside layers" not in text


def test_page_gives_time_on_a_board(report: Report) -> None:
    page = to_html(dict(variants(report))["on a board"])
    assert report.run
    assert f"{report.run.count / 216e6 * 1e6:,.1f} µs an inference" in page
    assert "Fell back to HSI." in page


def test_page_escapes_names(report: Report) -> None:
    assert report.memory
    assert report.image
    assert report.run
    layers = tuple(replace(layer, name=NASTY, kernel=NASTY, op=NASTY) for layer in report.layers)
    buffers = tuple(replace(buffer, name=NASTY) for buffer in report.memory.buffers)
    regions = tuple(
        replace(region, name=NASTY, parts=tuple(replace(part, category=NASTY) for part in region.parts))
        for region in report.image.regions
    )
    nasty = replace(
        report,
        model=replace(report.model, name=NASTY, sha256=NASTY, about=NASTY),
        board=replace(report.board, title=NASTY, mcu=NASTY),
        runtime_reason=NASTY,
        layers=layers,
        memory=replace(report.memory, buffers=buffers),
        image=replace(report.image, regions=regions, symbols=(Symbol(NASTY, NASTY, NASTY, 1),)),
        stack=StackInfo(1, None, (Frame(NASTY, 1),), notes=(NASTY,)),
        run=replace(report.run, ran_on=NASTY, clock_note=NASTY),
        lock=((NASTY, NASTY),),
    )
    page = Page(to_html(nasty))
    assert "script" not in page.tags
    assert page.text.count(NASTY) >= len(layers) + len(buffers)


def test_page_is_reproducible(report: Report) -> None:
    assert to_html(report) == to_html(from_json(to_json(report)))


def number(text: str) -> float:
    return float(text.removesuffix("%"))


def test_memory_picture_draws_every_buffer_to_scale(report: Report) -> None:
    memory = report.memory
    assert memory
    picture = memory_picture(memory, report.layers)
    columns = len(report.layers) + 2
    assert len(picture.boxes) == len(memory.buffers)
    for buffer, box in zip(memory.buffers, picture.boxes, strict=True):
        assert number(box.x) / 100 * columns == pytest.approx(buffer.first + 1, abs=0.01)
        assert number(box.width) / 100 * columns == pytest.approx(buffer.last - buffer.first + 1, abs=0.01)
        bottom = picture.height - number(box.y) - picture.height * buffer.size / memory.size
        assert bottom == pytest.approx(picture.height * buffer.offset / memory.size, abs=0.2)
        assert f"{buffer.size:,} byte" in box.title
    assert max(number(box.height) for box in picture.live) == picture.strip_height
    assert {box.style for box in picture.live} == {"live", "peak"}


def test_memory_axis_labels_do_not_touch(report: Report) -> None:
    assert report.memory
    layer = report.layers[0]
    for count in (1, 2, 12, 33, 90, 250):
        layers = tuple(replace(layer, index=index) for index in range(count))
        ticks = memory_picture(replace(report.memory, buffers=()), layers).step_ticks
        for pixels, shown in ((880, ticks), (290, [tick for tick in ticks if tick.narrow])):
            inner = [tick for tick in shown if tick.text.isdigit()]
            centres = [number(tick.at) / 100 * pixels for tick in inner]
            widths = [7 * len(tick.text) for tick in inner]
            for (left, a), (right, b) in pairwise(zip(centres, widths, strict=True)):
                assert right - left > (a + b) / 2


def test_layer_bars_are_shares_on_one_scale(report: Report) -> None:
    bars = layer_bars(report)
    widths = [number(bar.count_width) for bar in bars] + [number(bar.macs_width) for bar in bars]
    assert max(widths) == 100
    for row, bar in zip(report.rows, bars, strict=True):
        assert number(bar.count_width) / sum(number(b.count_width) for b in bars) == pytest.approx(
            (row.count or 0) / report.layers_count, abs=1e-4
        )


def test_region_segments_fill_the_bar_in_order(report: Report) -> None:
    assert report.image
    for picture in region_pictures(report.image):
        ends = 0.0
        for segment in picture.segments:
            assert number(segment.x) == pytest.approx(ends, abs=0.01)
            ends = number(segment.x) + number(segment.width)
        assert ends == (pytest.approx(100, abs=0.01) if picture.segments else 0)
        assert sum(entry.size for entry in picture.legend) == picture.region.used


def test_stack_frames_follow_each_other(report: Report) -> None:
    assert report.stack
    bars = stack_bars(report.stack)
    assert [bar.total for bar in bars] == [600, 712]
    assert number(bars[1].offset) == pytest.approx(number(bars[0].width))


@pytest.mark.parametrize("width", [80, 110])
def test_terminal_shows_numbers_whole(report: Report, width: int) -> None:
    assert report.run
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal.build_summary(report))
    console.print(terminal.run_summary(report))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    for row in report.rows:
        assert f"{row.count:,}" in lines[row.layer.name]
        assert f"{row.layer.macs:,}" in lines[row.layer.name]
    assert f"{report.run.count:,}" in lines["total"]
    assert f"{report.outside_layers:,}" in lines["outside"]
    assert "21,006" in lines["FLASH"]
    assert "PASS" in lines
    assert ("█" in lines["stem"]) is (width >= 100)


@VARIANTS
def test_terminal_takes_partial_reports(report: Report, variant: str) -> None:
    subject = dict(variants(report))[variant]
    console = Console(file=io.StringIO(), width=100)
    console.print(terminal.build_summary(subject))
    console.print(terminal.run_summary(subject))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert subject.board.title in text
    if subject.run and not subject.run.layers:
        assert f"{subject.run.count:,} instructions an inference" in text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "    "), (1, "████"), (0.5, "██  "), (1 / 32, "▏   "), (2, "████"), (-1, "    ")]
)
def test_bar(share: float, text: str) -> None:
    assert layer_table.bar(share, 4) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.grouped(None), "–"),
        (numbers.grouped(1234567), "1,234,567"),
        (numbers.ratio(2.4496), "2.450"),
        (numbers.ratio(1234.56), "1,234.6"),
        (numbers.percent(1, 0), "–"),
        (numbers.percent(1, 100_000), "<0.1 %"),
        (numbers.percent(0, 5), "0.0 %"),
        (numbers.percent(-1, 10_000), "0.0 %"),
        (numbers.size(512), "512 B"),
        (numbers.size(65_536), "64 KiB"),
        (numbers.size(1_000_000), "976.6 KiB"),
        (numbers.size(1_027_570), "1,003.5 KiB"),
        (numbers.size(2 << 20), "2 MiB"),
        (numbers.milliseconds(234.267), "234.3"),
        (numbers.milliseconds(12_345.6), "12,346"),
        (numbers.milliseconds(0.08139), "0.0814"),
        (numbers.milliseconds(0.0041, like=234.3), "<0.01"),
        (numbers.milliseconds(2.55555, like=31.2), "2.56"),
        (numbers.milliseconds(-0.00001, like=3.1), "0.000"),
        (numbers.duration(0.0123), "12.30 ms"),
        (numbers.duration(0.0000123), "12.3 µs"),
        (numbers.shape((1, 8, 8)), "1×8×8"),
        (numbers.shape(()), "scalar"),
        (numbers.plural(1, "layer"), "1 layer"),
        (numbers.plural(1200, "layer"), "1,200 layers"),
        (numbers.frequency(216_000_000), "216 MHz"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert text == expected


LINKER_SCRIPT = """
MEMORY { ITCM (rx) : ORIGIN = 0, LENGTH = 1K  FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 64K
         RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 32K }
ENTRY(main)
SECTIONS {
  .isr_vector : { KEEP(*(.isr_vector)) } > ITCM
  .text : { *(.text*) *(.rodata*) } > FLASH
  .data : { *(.data*) } > RAM AT > FLASH
  .bss : { *(.bss*) } > RAM
  .arena (NOLOAD) : { *(.arena) } > RAM
  _stack_top = ORIGIN(RAM) + LENGTH(RAM);
}
"""
SOURCE = """
__attribute__((section(".isr_vector"), used)) static const unsigned vectors[16] = {1};
const unsigned char layer_weights[4000] = {1};
extern const unsigned char alias_weights[4000] __attribute__((alias("layer_weights")));
unsigned counters[25] = {1};
unsigned zeroed[50];
__attribute__((section(".arena"))) unsigned char model_arena[3000];
int main(void) {
    for (;;) counters[0] += layer_weights[counters[1]] + zeroed[counters[2]]++ + model_arena[counters[3]];
}
"""


@pytest.mark.needs("compiler")
def test_regions_of_a_linked_image_add_up(tmp_path: Path) -> None:
    (tmp_path / "image.ld").write_text(LINKER_SCRIPT)
    (tmp_path / "image.c").write_text(SOURCE)
    elf = tmp_path / "image.elf"
    flags = ["-mcpu=cortex-m4", "-mthumb", "-Os", "-nostdlib", "-T", str(tmp_path / "image.ld")]
    subprocess.run(["arm-none-eabi-gcc", *flags, str(tmp_path / "image.c"), "-o", str(elf)], check=True)
    image = analyse_elf(elf, tiny_board(), stack_bytes=256)
    info = describe_image(image)
    for use, region in zip(info.regions, image.regions, strict=True):
        assert (use.name, use.used, use.free) == (region.name, region.used + region.stack, region.free)
    itcm, flash, ram = ({part.category: part.size for part in use.parts} for use in info.regions)
    assert itcm == {"board": 64}
    assert flash["weights"] == 4000
    assert min(flash.values()) > 0
    assert ram == {"data": 100, "bss": 200, "tensor arena": 3000, "worst-case stack": 256}
    assert sum(flash.values()) + sum(itcm.values()) == info.flash_bytes == image.flash_bytes
    assert {symbol.name for symbol in info.symbols[:2]} == {"layer_weights", "alias_weights"}


def tiny_board() -> Board:
    return Board(
        name="tiny",
        title="Tiny",
        vendor="",
        url="",
        mcu="",
        core="cortex-m4",
        fpu="",
        family="",
        clock_hz=1,
        regions=(
            Region("ITCM", 0, 1024, "flash"),
            Region("FLASH", 0x08000000, 65_536, "flash", True),
            Region("RAM", 0x20000000, 32_768, "ram", True),
        ),
        uart=Uart("", 0),
        emulator=None,
        upload=None,
    )


def test_stack_notes_say_what_the_bound_rests_on() -> None:
    stack = StackReport(
        worst_bytes=300,
        path=(StackFrame("main", 196, "compiler"),),
        handler_path=(StackFrame("exception", 104, "core"),),
        unknown=("call_through",),
        recursive=(("a", "b"),),
        dynamic=("grow",),
    )
    info = describe_stack(stack, reserved=1024)
    assert info.at_least
    assert [frame.size for frame in info.path] == [196, 104]
    assert info.notes == (
        "An exception at the deepest point is counted: 104 bytes.",
        "Calls through pointers without known targets: call_through.",
        "Recursive, counted once round: a → b.",
        "Frames without a fixed bound: grow.",
    )
