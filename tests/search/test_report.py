"""Reports and progress: well-formed pages with what the run found, lines and logs with the same figures."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import asdict
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from micronets_gen.errors import UsageError
from micronets_gen.report.confusion import confusion
from micronets_gen.report.geometry import CHARACTER_PIXELS, NARROW_PIXELS, Axis, mark_box, spanning
from micronets_gen.search.learn.progress import (
    EpochLines,
    LiveTable,
    Silent,
    TensorBoardLog,
    TimeLeft,
    duration,
    line,
    scalars,
)
from micronets_gen.search.report import outline, outline_of, pareto, render, render_sweep
from micronets_gen.search.report.charts import Series, chart, heat_image
from micronets_gen.search.report.sweep import front
from micronets_gen.search.run_dir import RunDir
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.backbone import Backbone, Choice, Element, Space, load_backbone
from micronets_gen.search.space.blocks import Conv, Inverted, Pool
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.values import modelled_time, predicted_time, share

SPACE = Space(load_backbone("digits"), (8, 8, 1), 10)
CHOICE = Choice({"0": 16, "1": 24, "2": 36, "3": 56, "4": 8}, {3: True, 4: False})
ARCHITECTURE = SPACE.architecture(CHOICE)
METRICS: dict[str, Any] = {
    "task": "digits",
    "finished": True,
    "metric": "accuracy",
    "validation_metric": "accuracy",
    "validation": 0.97,
    "validation_float": 0.97,
    "test": 0.96,
    "test_float": 0.965,
    "samples": {"validation": 10, "test": 12},
    "classes": ["<a>", "b"],
    "architecture": ARCHITECTURE.summary(),
    "cost": {**asdict(cost_of(ARCHITECTURE)), "cycles": 1_800_000},
    "confusion": [[5, 1], [0, 6]],
    "target": {
        "board": "nucleo_f446re",
        "runtime": "aot",
        "limits": {"ops": 200_000.0, "cycles": 2_140_000.0, "model_bytes": 40_000.0, "working_memory": 1e6},
        "time": {
            "cycles": 1_800_000,
            "clock_hz": 180_000_000,
            "milliseconds": 10.0,
            "error_percent": 9.2,
            "prediction_percent": 5.0,
            "measured_images": 9,
            "limit_ms": 12.5,
        },
    },
}
RECORD: dict[str, Any] = {
    "epoch": 0,
    "loss": 1.5,
    "penalty": 0.25,
    "accuracy": 0.5,
    "temperature": 5.0,
    "expected": {
        "ops": 260_000.0,
        "cycles": 2_000_000.0,
        "model_bytes": 30_000.0,
        "working_memory": 2000.0,
        "parameters": 10.0,
    },
    "central": {
        "ops": 180_000,
        "model_bytes": 20_000,
        "working_memory": 1900,
        "parameters": 9,
        "cycles": 1_700_000,
    },
    "limits": {"ops": 200_000.0, "cycles": 2_140_000.0, "model_bytes": 40_000.0, "working_memory": 1e6},
    "widths": {key: [1 / len(options)] * len(options) for key, options in SPACE.widths.items()},
    "kept": {"3": 0.9, "4": 0.2},
    "eligible": True,
    "seconds": 1.0,
}
TRAIN = {"epoch": 0, "loss": 0.5, "accuracy": 0.9, "validation": 0.8, "metric": "accuracy", "seconds": 1.0}
RUN = {
    "command": "micronets-gen search --task 'digits' <now>",
    "seed": 3,
    "recipe": {"train": {"epochs": 2, "float_epochs": 1}},
    "versions": {"tensorflow": "2.0"},
}
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Checks that tags are balanced; collects text, labels of pictures and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.labels, self.addresses = "", list[str](), list[str]()
        self.tags, self._open = list[str](), list[str]()
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if values.get("role") == "img":
            self.labels.append(values["aria-label"] or "")
        self.addresses += [v for k, v in attrs if k in {"src", "href", "xlink:href"} and v]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(html: str) -> Page:
    found = Page(html)
    beside = {"firmware/report.html"}
    assert not [a for a in found.addresses if not a.startswith("data:image/png;base64,") and a not in beside]
    assert "url(" not in html
    assert "<script" not in html
    return found


def test_a_report_shows_search_training_and_confusion() -> None:
    history = {
        "search": [RECORD, {**RECORD, "epoch": 1}],
        "blocks": outline(SPACE, CHOICE),
        "train": [TRAIN, {**TRAIN, "epoch": 1, "validation": 0.85}],
    }
    shown = page(render(RUN, METRICS, history))
    assert [label for label in shown.labels if " over " in label] == [
        "operations, MOps over epoch",
        "cycles, million over epoch",
        "model file, KiB over epoch",
        "working memory, KiB over epoch",
        "cross-entropy over epoch",
        "training accuracy over epoch",
        "penalty for costs above limits over epoch",
        "temperature over epoch",
        "accuracy over epoch",
        "loss, training over epoch",
    ]
    assert "channels 36 of 64" in shown.labels
    assert "channels left out" in shown.labels
    assert shown.labels[-1] == "Confusion matrix"
    assert "of the limit, 0.2 MOps" in shown.text
    assert "The limit, 976.6 KiB, lies far above." in shown.text
    predicted = (
        "time, predicted10.00 ms ±9.2 %80.0 % of the limit, 12.50 ms; predictions were at most 5 % off"
    )
    assert predicted in shown.text
    assert "time, modelled" not in shown.text
    assert "micronets-gen search --task 'digits' <now>" in shown.text
    assert "<a>" in shown.text
    assert "best: 85.00 %" in shown.text
    assert "quantised" in shown.text
    assert len(shown.addresses) == len(SPACE.widths) + len(SPACE.skips)


def test_after_a_run_the_modelled_time_stands_beside_the_predicted_one() -> None:
    target = METRICS["target"]
    ran = {"milliseconds": 11.0, "error_percent": 4.0, "error": {"what": "stopped"}}
    modelled = ("time, modelled", "11.00 ms ±4 %", "88.0 % of the limit, 12.50 ms; of this very image")
    assert list(modelled_time(target, ran)) == [modelled]
    shown = page(render(RUN, METRICS, {"train": [TRAIN]}, {**ran, "passed": False}))
    assert "".join(modelled) in shown.text
    free = {**target, "time": {**target["time"], "limit_ms": None}}
    assert next(predicted_time(free))[2] == "predictions were at most 5 % off the modelled time"
    assert next(modelled_time(None, ran))[2] == "of this very image"
    assert not list(predicted_time({**target, "time": None}))
    assert not list(predicted_time(None))
    assert not list(modelled_time(target, {"milliseconds": None}))


def test_energy_stands_below_the_time_that_it_follows_where_the_boards_power_is_known() -> None:
    known = {"energy_uj": 1605.0, "energy_error_percent": 11.6, "power_mw": 160.5, "power_source": "them"}
    target = {**METRICS["target"], "time": {**METRICS["target"]["time"], **known}}
    told = ("1.60 mJ ±12 %", "this time at 160 mW: them")
    assert list(predicted_time(target))[1] == ("energy, predicted", *told)
    ran = {"milliseconds": 10.0, "error_percent": 4.0, **known}
    assert list(modelled_time(target, ran))[1] == ("energy, modelled", *told)
    assert len(list(modelled_time(target, {**ran, "energy_uj": None}))) == 1


def test_cycles_of_several_boards_are_not_compared() -> None:
    elsewhere = {**METRICS, "name": "b", "path": "../b", "target": {**METRICS["target"], "board": "other"}}
    point = {**METRICS, "limit_mops": 0.1, "path": "0.1"}
    assert "cycles" in render_sweep("digits", [point])
    assert "cycles" not in render_sweep("digits", [point], [elsewhere])


def test_a_curve_takes_the_place_of_a_confusion_matrix() -> None:
    metrics = {key: value for key, value in METRICS.items() if key not in {"confusion", "target"}}
    metrics |= {"finished": False, "metric": "AUC", "curve": [[0, 0], [0.1, 0.8], [1, 1]]}
    shown = page(render(RUN, metrics, {"train": [TRAIN]}))
    assert "Interrupted" in shown.text
    assert "test AUC, int80.9600" in shown.text
    assert "validation accuracy, int897.00 %" in shown.text
    assert "AUC 0.9600; the dashed line is chance." in shown.text
    assert shown.labels[-1] == "true positive rate over false positive rate"


def test_blocks_add_up_to_the_network() -> None:
    rows = outline(SPACE, CHOICE)
    cost = cost_of(ARCHITECTURE)
    assert sum(row["ops"] for row in rows) == cost.ops
    assert sum(row["parameters"] for row in rows) == cost.parameters
    assert [row["kept"] for row in rows] == [True, True, True, True, False, True, True]
    assert rows[2]["widths"] == (
        {"name": "channels", "decision": "2", "chosen": 36, "options": SPACE.widths["2"]},
    )
    assert rows[4]["output"] == rows[3]["output"] == (4, 4, 56)
    given = outline_of(ARCHITECTURE)
    assert [(r["ops"], r["parameters"]) for r in given] == [
        (r["ops"], r["parameters"]) for r in rows if r["kept"]
    ]


def test_a_block_left_out_that_downsamples_counts_as_its_pooling() -> None:
    space = Space(load_backbone("ad"), (32, 32, 1), 4)
    rows = outline(space, space.smallest())
    last = [row for row in rows if not row["kept"]][-1]
    assert last["output"] == (4, 4, 4)
    assert last["ops"] == 0
    history = {"blocks": rows}
    assert "left out: 2×2 average pooling in its place" in page(render(RUN, METRICS, history)).text


def test_a_bottleneck_has_two_widths_of_which_one_may_be_its_inputs() -> None:
    blocks = (Element(Conv(16)), Element(Inverted(16, 32)), Element(Pool()))
    space = Space(Backbone("b", "b", blocks, multiple=8), (8, 8, 1), 2)
    row = outline(space, Choice({"0": 8, "1.hidden": 24}, {}))[1]
    assert row["widths"] == (
        {"name": "hidden", "decision": "1.hidden", "chosen": 24, "options": (8, 16, 24, 32)},
        {"name": "channels", "decision": "", "chosen": 8, "options": (8,)},
    )
    assert outline_of(Architecture("a", (8, 8, 1), 2, (Inverted(4, 6),)))[0]["widths"][0]["chosen"] == 6


def test_a_heat_image_is_a_png_with_a_pixel_for_each_probability() -> None:
    data = base64.b64decode(heat_image([[0.5, 0.25], [0.0, 1.0], [0.1, 0.2]]).partition(",")[2])
    chunks, at = {}, 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + body),)
        chunks[kind] = body
        at += 12 + size
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (3, 2)
    rows = zlib.decompress(chunks[b"IDAT"])
    assert rows == bytes([0, 128, 255, 255, 0, 255, 0, 128]), "the widest is at the top"


def test_ticks_are_round() -> None:
    assert Axis(0, 0.23, str).ticks() == [0, 0.1, 0.2]
    assert Axis(1, 3, str, least=1).ticks() == [1, 2, 3]
    assert Axis(0.03, 3, str, logarithmic=True).ticks() == pytest.approx([0.05, 0.1, 0.2, 0.5, 1, 2])
    assert Axis(0.83, 0.84, str).ticks(at_least=6) == pytest.approx([0.83, 0.832, 0.834, 0.836, 0.838, 0.84])
    assert len(Axis(0.9, 0.9419, str).ticks(at_least=4)) >= 4
    assert Axis(110, 190, str, logarithmic=True).ticks() == [120, 140, 160, 180]
    assert spanning([0.5, 1.0], str, top=1.0).high == 1.0
    assert spanning([3, 3], str).low < 3 < spanning([3, 3], str).high


def test_every_mark_is_labelled_and_no_label_covers_another() -> None:
    points = [(0.1 + i / 10_000, 0.9) for i in range(9)] + [(0.3, 0.9), (0.39, 0.8), (0.39, 1.0)]
    names = [*(f"run {i}" for i in range(11)), "a-run-whose-name-is-longer-than-that"]
    series = Series("found", points, joined=False, labels=names)
    picture = chart("y", "x", [series], Axis(0, 0.4, str), Axis(0.8, 1, str))
    labels = [mark.label for mark in picture.marks]
    assert [label.text for label in labels] == [*names[:11], "a-run-whose…-than-that"]
    covered = [mark_box(mark.x, mark.y) for mark in picture.marks]
    for mark, label in zip(picture.marks, labels, strict=True):
        width = CHARACTER_PIXELS * len(label.text)
        left = mark.x / 100 * NARROW_PIXELS + label.dx
        left -= {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
        top = mark.y + label.dy - 11
        assert -8 <= left <= left + width <= NARROW_PIXELS + 8
        assert 0 <= top <= picture.height - 13
        for other in covered:
            assert left >= other[2] or left + width <= other[0] or top >= other[3] or top + 13 <= other[1]
        covered.append((left, top, left + width, top + 13))
    assert any(label.leader for label in labels)
    assert all(mark.title.startswith(("run ", "a-run-whose-name-is-longer")) for mark in picture.marks)


def test_confusion_counts_and_recalls() -> None:
    matrix = confusion([[3, 1], [0, 0]], ["yes", "no"])
    assert [cell.count for cell in matrix.cells] == [3, 1, 0, 0]
    assert matrix.recalls == ("75.0 %", "–")
    assert matrix.cells[1].title == "1 of 4 samples of yes taken for no"
    assert matrix.cells[1].opacity < matrix.cells[0].opacity


def test_a_sweep_joins_what_no_other_one_beats() -> None:
    points = [
        {
            **METRICS,
            "limit_mops": m,
            "path": f"{m:g}",
            "validation": v,
            "cost": {**METRICS["cost"], "ops": int(o)},
        }
        for m, v, o in ((0.1, 0.9, 9e4), (0.2, 0.89, 2e5), (0.3, 0.95, 3e5))
    ]
    baseline = {**METRICS, "name": "<ds-cnn>", "path": "../ds-cnn", "validation": 0.93}
    html = render_sweep("digits", points, [baseline])
    shown = Page(html)
    assert shown.addresses == [f"{p}/report.html" for p in ("0.1", "0.2", "0.3", "../ds-cnn")]
    assert [label.partition(" over ")[2] for label in shown.labels] == [
        "operations, MOps",
        "cycles, million",
        "model file, KiB",
        "working memory, KiB",
    ]
    assert shown.tags.count("circle") == 3 * 4 * 2, "validation and test of each"
    assert "<ds-cnn>" in shown.text
    assert shown.text.count("to compare with") == 1
    assert "to compare with" not in Page(render_sweep("digits", points)).text


def test_a_sweep_chooses_by_validation_and_shows_both() -> None:
    points = [
        {
            **METRICS,
            "limit_mops": m,
            "path": f"{m:g}",
            "validation": v,
            "test": t,
            "cost": {**METRICS["cost"], "ops": o},
        }
        for m, v, t, o in ((0.1, 0.91, 0.90, 90_000), (0.2, 0.90, 0.99, 200_000))
    ]
    named = [(f"{p['limit_mops']:g}", p) for p in points]
    assert front(named, "ops") == {"0.1"}, "the dearer one is better by the test alone"
    shown = Page(render_sweep("digits", points)).text
    for text in (
        "91.00 %",
        "90.00 %",
        "99.00 %",
        "Validation accuracy over cost",
        "the test chooses nothing",
    ):
        assert text in shown


def test_pareto() -> None:
    assert pareto([(3, 0.9), (1, 0.5), (2, 0.5), (2, 0.7), (4, 0.9)]) == [(1, 0.5), (2, 0.7), (3, 0.9)]


def test_what_is_within_a_limit_is_never_rounded_up_to_it() -> None:
    assert share(199_999, 200_000) == "99.9 %"
    assert share(200_000, 200_000) == "100.0 %"


def test_a_line_and_scalars_of_an_epoch() -> None:
    assert "search 1/9  loss" in line("search", RECORD, 9)
    assert "ops 260,000 of 200,000" in line("search", RECORD, 9)
    assert "validation accuracy 0.8000" in line("train", TRAIN, 9)
    assert scalars(RECORD)["expected/ops"] == pytest.approx(260_000)
    assert "widths/0" not in scalars(RECORD)
    assert "epoch" not in scalars(RECORD)


def test_elsewhere_than_on_a_terminal_there_is_a_line_an_epoch() -> None:
    out = StringIO()
    lines = EpochLines(Console(file=out, width=40))
    lines.stage("loading [the] data")
    for step in range(2):
        lines.step("search", 0, 2, step, 2)
    lines.epoch("search", RECORD)
    first, second = out.getvalue().splitlines()
    assert first == "loading [the] data"
    assert second.startswith("search 1/2  loss 1.5000")
    assert second.endswith(" left")


def test_on_a_terminal_there_is_a_live_table() -> None:
    from rich.live import Live

    out = StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    with Live(console=console, auto_refresh=False) as live:
        board = LiveTable(live)
        board.stage("compiling")
        live.refresh()
        board.epoch("search", RECORD)
        board.step("search", 1, 3, 0, 2)
        board.epoch("search", RECORD)
        board.step("search", 1, 3, 1, 2)
        live.refresh()
    shown = out.getvalue()
    for text in (
        "compiling",
        "epoch 2 of 3",
        "time left",
        "temperature    5.0000",
        "operations            260,000 of 200,000  (130%, above the limit)",
        "model file, bytes     30,000 of 40,000  (75%)",
    ):
        assert " ".join(text.split()) in " ".join(shown.split())


def test_time_that_is_left() -> None:
    now = iter([100.0, 104.0, 110.0])
    clock = TimeLeft(lambda: next(now))
    assert clock.left("train", 11, 20) is None
    assert clock.left("train", 13, 20) == pytest.approx(2.0 * 7)
    assert clock.left("train", 16, 20) == pytest.approx(2.0 * 4)
    assert [duration(s) for s in (45, 187, 7500)] == ["45 s", "3:07 min", "2:05 h"]


@pytest.mark.needs("tensorflow")
def test_tensorboard_finds_every_scalar(tmp_path: Path) -> None:
    import tensorflow as tf

    logged = TensorBoardLog(Silent(), tmp_path)
    for epoch in range(2):
        logged.epoch("search", {**RECORD, "epoch": epoch})
    (file,) = (tmp_path / "search").iterdir()
    found: dict[str, list[int]] = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found.setdefault(value.tag, []).append(event.step)
    assert found == {name: [0, 1] for name in scalars(RECORD)}


def test_a_folder_takes_one_request_only(tmp_path: Path) -> None:
    wanted = {"task": "digits", "seed": 0, "recipe": {"train": {"epochs": 3}}, "data": None}
    run = RunDir(tmp_path / "run")
    run.require_own(wanted)
    run.begin(wanted, "micronets-gen search", {"python": "3"})
    run.require_own(wanted)
    run.require_own({**wanted, "added": None})
    other = {**wanted, "seed": 4, "recipe": {"train": {"epochs": 30}}, "data": "speech"}
    with pytest.raises(UsageError) as caught:
        run.require_own(other)
    assert caught.value.why == (
        'data is not given there and "speech" here; recipe.train.epochs is 3 there and 30 here; '
        "seed is 0 there and 4 here"
    )
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"):
        RunDir(tmp_path / "file").require_own(wanted)
