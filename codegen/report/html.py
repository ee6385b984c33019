"""``report.html``: one self-contained file, without scripts and without anything to fetch."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from micronets_gen.common import numbers
from micronets_gen.common.resources import data_dir
from micronets_gen.plan.arena import ArenaInfo
from micronets_gen.report.arena_text import offline_text, size_rows, verdict_text
from micronets_gen.report.arenas import arenas_text
from micronets_gen.report.measured import measured_picture
from micronets_gen.report.modelled import no_time_text
from micronets_gen.report.pictures import layer_bars, memory_picture, region_pictures, stack_bars
from micronets_gen.report.report import Report
from micronets_gen.report.samples import samples, vector_confusion
from micronets_gen.report.savings import savings_text
from micronets_gen.report.summary import circumstances, headline, key_figures
from micronets_gen.report.time_picture import time_picture


@cache
def page_environment() -> Environment:
    """Return the Jinja environment of the pages: values are escaped, numbers have filters."""
    environment = Environment(
        loader=FileSystemLoader(data_dir("templates") / "report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for function in (
        numbers.grouped,
        numbers.ratio,
        numbers.percent,
        numbers.size,
        numbers.shape,
        numbers.plural,
    ):
        environment.filters[function.__name__] = function
    return environment


def to_html(report: Report) -> str:
    """Return the page; sections whose facts are not known are left out."""
    return (
        page_environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            headline=headline(report),
            circumstances=circumstances(report.run) if report.run else "",
            samples=samples(report.run, report.model.classes) if report.run else (),
            confusion=vector_confusion(report.run, report.model.classes) if report.run else None,
            figures=key_figures(report),
            memory=memory_picture(report.memory, report.layers) if report.memory else None,
            time=time_picture(report, report.timing) if report.timing else None,
            no_time=no_time_text(report),
            measured=measured_picture(report),
            bars=layer_bars(report),
            savings=savings_text(report.savings) if report.savings else "",
            arenas=arenas_text(report.arenas) if report.arenas else "",
            arena=_arena(report.arena) if report.arena else None,
            regions=region_pictures(report.image) if report.image else (),
            frames=stack_bars(report.stack) if report.stack else (),
            clock=numbers.frequency(report.board.clock_hz),
        )
    )


def _arena(arena: ArenaInfo) -> dict[str, object]:
    return {"verdict": verdict_text(arena), "offline": offline_text(arena), "rows": size_rows(arena)}
