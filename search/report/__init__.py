"""What a run found, as one HTML page with its pictures inside, made from the run's folder alone."""

from __future__ import annotations

from micronets_gen.search.report.blocks import outline, outline_of
from micronets_gen.search.report.page import render, write_report
from micronets_gen.search.report.sweep import pareto, render_sweep

__all__ = ["outline", "outline_of", "pareto", "render", "render_sweep", "write_report"]
