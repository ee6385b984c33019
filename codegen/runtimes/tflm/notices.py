"""Licences and notices of what is emitted."""

from __future__ import annotations

from collections.abc import Mapping

from micronets_gen.common.templates import render
from micronets_gen.runtimes.tflm.sources import SourceSet, SourceTree


def notices(trees: SourceTree) -> tuple[Mapping[str, Mapping[str, str]], str]:
    """Return the licence files of each repository, by its key and their name, and the overview of them.

    Raises:
        SourcesModified: a licence is not what was stored in the cache.
    """
    texts: dict[str, dict[str, str]] = {}
    rows = []
    for pin in SourceSet.pinned():
        checkout = trees.checkouts[pin.key]
        present = [name for name in pin.licence_files if checkout.has(name)]
        texts[pin.key] = {name: checkout.read(name) for name in present}
        place = "lib/" + {"tflm": "tflm", "cmsis_nn": "cmsis_nn"}.get(pin.key, f"tflm/third_party/{pin.key}")
        rows.append(
            {
                "title": pin.title,
                "repository": pin.repository,
                "commit": trees.commits.get(pin.key, ""),
                "licence": pin.licence,
                "files": [f"{place}/{name}" for name in present],
            }
        )
    return texts, render("tflm/THIRD_PARTY_NOTICES.md.j2", rows=rows)
