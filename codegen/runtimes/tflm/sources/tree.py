"""The sources as the tflm runtime takes them: five folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from micronets_gen.common.caches import cache_root
from micronets_gen.runtimes.tflm.sources import cache
from micronets_gen.runtimes.tflm.sources.checkout import Checkout
from micronets_gen.runtimes.tflm.sources.errors import SourcesMissing
from micronets_gen.runtimes.tflm.sources.pins import Pin, SourceSet
from micronets_gen.runtimes.tflm.sources.verify import checkout


@dataclass(frozen=True)
class SourceTree:
    """Where each repository's files lie.

    Attributes:
        commits: Full hash by key, which is the name of the field.
        checkouts: The files of each by key, proved as they are read.
        warnings: What a person should know about these sources, as sentences.
    """

    tflm: Path
    cmsis_nn: Path
    flatbuffers: Path
    gemmlowp: Path
    ruy: Path
    commits: Mapping[str, str]
    checkouts: Mapping[str, Checkout]
    warnings: tuple[str, ...] = ()


def locate_set(sources: SourceSet) -> SourceTree:
    """Return the folders of a set; looks into the cache alone.

    Raises:
        SourcesMissing: at least one is not in the cache.
        SourcesModified: one is not what was stored, as far as a look at it tells.
    """
    missing = missing_of(sources)
    if missing:
        raise SourcesMissing(
            f"the sources of the tflm runtime are not complete: no {names(missing)}",
            where=str(cache_root() / "sources"),
            remedy="micronets-gen sources fetch brings them; --runtime aot needs none",
        )
    warnings = [text for pin in sources if (text := _warning(pin))]
    checkouts = {pin.key: checkout(pin) for pin in sources}
    trees = {key: files.folder for key, files in checkouts.items()}
    if any(not pin.sha256 for pin in sources):
        from micronets_gen.runtimes.tflm.sources.companions import mismatches

        warnings.extend(mismatches(sources, trees["tflm"], trees["flatbuffers"]))
    return SourceTree(**trees, commits=sources.commits, checkouts=checkouts, warnings=tuple(warnings))


def missing_of(sources: SourceSet) -> list[Pin]:
    """Return the pins that the cache lacks."""
    return [pin for pin in sources if cache.find(pin) is None]


def names(pins: list[Pin]) -> str:
    """Return titles and commits as a list for people."""
    return ", ".join(pin.label for pin in pins)


def _warning(pin: Pin) -> str:
    origin = cache.read_origin(cache.entry(pin))
    if origin is None or origin.verified != "none":
        return ""
    return f"{pin.title} was imported from {origin.source}, which does not prove that it is {pin.commit[:12]}"
