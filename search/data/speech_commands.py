"""The layout of Speech Commands v2 as published: a folder a word, two lists, a folder of background noises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from micronets_gen.errors import UsageError
from micronets_gen.search.data.features.sound import Pcm
from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.wav import WavError, read_wav

RATE = 16000
KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
CLASSES = ("silence", "unknown", *KEYWORDS)

NOISE_FOLDER = "_background_noise_"
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
# Shares of every background noise, in time, that the parts take.
_NOISE_CUTS = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}

_HOW_TO_GET = (
    "get speech_commands_v0.02.tar.gz (2.3 GB, http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz), "
    "unpack it in a folder of its own and give that folder: it holds yes/, no/ and the other words, "
    f"{NOISE_FOLDER}/, {LISTS['validation']} and {LISTS['test']}; "
    "or take --task kws-tts, which needs no data"
)


@dataclass(frozen=True, eq=False)
class Listing:
    """The files of a data set.

    Attributes:
        root: The folder.
        keywords: For each part, files relative to ``root`` with their label; sorted.
        unknown: For each part, files of all other words; sorted.
        noises: Files of background noise; sorted.
    """

    root: Path
    keywords: Mapping[str, tuple[tuple[str, int], ...]]
    unknown: Mapping[str, tuple[str, ...]]
    noises: tuple[str, ...]

    def files(self) -> list[str]:
        """Return every file that the splits may use, and the lists."""
        clips = [name for part in PARTS for name, _ in self.keywords[part]]
        others = [name for part in PARTS for name in self.unknown[part]]
        return [*clips, *others, *self.noises, *LISTS.values()]


def list_files(root: Path | None) -> Listing:
    """Return the files of the data set in ``root``.

    A file that a list names counts even where it is missing, so that its absence is reported when it is read.

    Raises:
        UsageError: the folder or a part of the layout is missing.
    """
    if root is None:
        raise UsageError("this task needs the Speech Commands v2 data set", remedy=_HOW_TO_GET)
    if not root.is_dir():
        raise UsageError("no such folder", where=str(root), remedy=_HOW_TO_GET)
    missing = [f"{word}/" for word in (*KEYWORDS, NOISE_FOLDER) if not (root / word).is_dir()]
    missing += [name for name in LISTS.values() if not (root / name).is_file()]
    if missing:
        raise UsageError(
            f"not the layout of Speech Commands v2: without {', '.join(missing)}",
            where=str(root),
            remedy=_HOW_TO_GET,
        )
    part_of = {}
    for part, name in LISTS.items():
        for line in (root / name).read_text(encoding="utf-8").split():
            part_of[line] = part
    found = {
        f"{word.name}/{clip.name}"
        for word in root.iterdir()
        if word.is_dir() and word.name != NOISE_FOLDER
        for clip in word.glob("*.wav")
    }
    keywords: dict[str, list[tuple[str, int]]] = {part: [] for part in PARTS}
    unknown: dict[str, list[str]] = {part: [] for part in PARTS}
    for name in sorted(found | part_of.keys()):
        part, word = part_of.get(name, "train"), name.split("/")[0]
        if word in KEYWORDS:
            keywords[part].append((name, CLASSES.index(word)))
        else:
            unknown[part].append(name)
    noises = tuple(f"{NOISE_FOLDER}/{file.name}" for file in sorted((root / NOISE_FOLDER).glob("*.wav")))
    empty = [f"no words for {part}" for part in PARTS if not keywords[part] or not unknown[part]]
    if not noises:
        empty.append("no background noise")
    if empty:
        raise UsageError("; ".join(empty), where=str(root), remedy=_HOW_TO_GET)
    return Listing(
        root,
        {part: tuple(rows) for part, rows in keywords.items()},
        {part: tuple(rows) for part, rows in unknown.items()},
        noises,
    )


def read_noises(listing: Listing, samples: int) -> dict[str, list[Pcm]]:
    """Return the background noises of each part: stretches of time that the parts do not share.

    A stretch shorter than ``samples`` is repeated until it is long enough.

    Raises:
        UsageError: a noise cannot be read.
    """
    noises: dict[str, list[Pcm]] = {part: [] for part in PARTS}
    for name in listing.noises:
        try:
            noise = read_wav(listing.root / name, RATE)
        except WavError as error:
            raise UsageError(
                f"{error}: a background noise is part of all splits", where=str(listing.root / name)
            ) from None
        for part, (start, stop) in _NOISE_CUTS.items():
            piece = noise[int(start * len(noise)) : max(int(stop * len(noise)), int(start * len(noise)) + 1)]
            noises[part].append(piece if len(piece) >= samples else np.resize(piece, samples))
    return noises
