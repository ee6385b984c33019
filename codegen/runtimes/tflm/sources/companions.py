"""What a commit of TensorFlow Lite Micro expects beside it, read from its own download scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from micronets_gen.runtimes.tflm.sources.pins import SourceSet, option

_MAKE = "tensorflow/lite/micro/tools/make"
_COMMITS = {
    "cmsis_nn": (f"{_MAKE}/ext_libs/cmsis_nn_download.sh", r'ZIP_PREFIX_NN="([0-9a-f]{40})"'),
    "gemmlowp": (f"{_MAKE}/third_party_downloads.inc", r"google/gemmlowp/archive/([0-9a-f]{40})"),
    "ruy": (f"{_MAKE}/third_party_downloads.inc", r"google/ruy/archive/([0-9a-f]{40})"),
}
_FLATBUFFERS = (f"{_MAKE}/flatbuffers_download.sh", r'ZIP_PREFIX="v([0-9.]+)"')
_VERSION_HEADER = "include/flatbuffers/base.h"
_VERSION = r"#define FLATBUFFERS_VERSION_(?:MAJOR|MINOR|REVISION) (\d+)"


def expected_commits(tflm: Path) -> Mapping[str, str]:
    """Return the commits that a tree of TensorFlow Lite Micro downloads, by key, as far as they can be read."""
    found = {key: _first(tflm / name, pattern) for key, (name, pattern) in _COMMITS.items()}
    return {key: commit for key, commit in found.items() if commit}


def expected_flatbuffers(tflm: Path) -> str:
    """Return the version of FlatBuffers that the schema of a tree was generated with, such as ``25.9.23``."""
    return _first(tflm / _FLATBUFFERS[0], _FLATBUFFERS[1])


def flatbuffers_version(flatbuffers: Path) -> str:
    """Return the version of a tree of FlatBuffers."""
    return ".".join(re.findall(_VERSION, _read(flatbuffers / _VERSION_HEADER)))


def mismatches(sources: SourceSet, tflm: Path, flatbuffers: Path) -> tuple[str, ...]:
    """Return what does not go together in a set, as sentences.

    Args:
        sources: The set.
        tflm: Its tree of TensorFlow Lite Micro.
        flatbuffers: Its tree of FlatBuffers.
    """
    ours = sources["tflm"]
    warnings = [
        f"{ours.label} was made for {sources[key].title} {commit[:12]}, and {sources[key].commit[:12]} is taken"
        + (f" ({option(key)} {commit})" if option(key) else "")
        for key, commit in expected_commits(tflm).items()
        if commit != sources[key].commit
    ]
    wanted, present = expected_flatbuffers(tflm), flatbuffers_version(flatbuffers)
    if wanted and present and wanted != present:
        warnings.append(
            f"{ours.label} needs FlatBuffers {wanted} and refuses to compile with the {present} that is taken "
            f"({option('flatbuffers')} of the tag v{wanted})"
        )
    return tuple(warnings)


def _first(path: Path, pattern: str) -> str:
    match = re.search(pattern, _read(path))
    return match[1] if match else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
