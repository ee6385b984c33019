"""Keyword spotting on speech that espeak-ng synthesises: a keyword spotter that anybody can make offline."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from micronets_gen.common.caches import cache_root
from micronets_gen.search.data.speech_commands import CLASSES, list_files
from micronets_gen.search.data.synth.corpus import CorpusSettings, ensure_corpus
from micronets_gen.search.data.synth.voices import ACCENTS
from micronets_gen.search.data.tasks.base import TaskData
from micronets_gen.search.data.tasks.kws import KwsOptions, load_keywords
from micronets_gen.search.data.tasks.options import parse_options


@dataclass(frozen=True)
class KwsTtsOptions(KwsOptions):
    """What a recipe's ``[task]`` table may set, besides what :class:`KwsOptions` says.

    Attributes:
        corpus_seed: Of the synthesis; the same for all seeds of the training, so that figures compare.
        accents: How many accents of English each voice speaks.
        voices: At most so many voices in each part; 0 for all.
        takes: How many times each speaker for training says each keyword.
    """

    corpus_seed: int = 1
    accents: int = len(ACCENTS)
    voices: int = 0
    takes: int = 5

    @property
    def corpus(self) -> CorpusSettings:
        return CorpusSettings(self.corpus_seed, self.accents, self.voices, self.takes)


@dataclass(frozen=True)
class KwsTts:
    """The task, as :class:`micronets_gen.search.data.tasks.base.Task` says."""

    options: KwsTtsOptions = KwsTtsOptions()
    name: str = "kws-tts"
    title: str = "keyword spotting on synthesised speech (espeak-ng; needs no data)"
    classes: tuple[str, ...] = CLASSES
    backbone: str = "kws-strided"
    recipe: str = "kws-tts"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.options.mfcc.shape

    def load(self, data_dir: Path | None, seed: int) -> TaskData:
        """Load the speech from ``data_dir``, or from the user's cache, synthesising it where it is not there."""
        settings = self.options.corpus
        root = data_dir or _default_folder(settings)
        index = ensure_corpus(root, settings)
        source = {
            "name": "speech synthesised by espeak-ng",
            "espeak_ng": index["espeak_ng"],
            "licence": "the sound is made by the user's own run; espeak-ng itself is GPL-3.0-or-later",
            "speakers": index["speakers"],
            "voices": index["voices"],
            "accents": index["accents"],
            "clips": index["clips"],
            "settings": index["settings"],
        }
        return load_keywords(self.name, list_files(root), self.options, seed, source)


def _default_folder(settings: CorpusSettings) -> Path:
    key = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode()).hexdigest()[:12]
    return cache_root() / "speech" / f"kws-tts-{key}"


def make(**options: Any) -> KwsTts:
    """Return the task with ``options`` as in :class:`KwsTtsOptions`."""
    return KwsTts(parse_options(KwsTtsOptions, "kws-tts", options))
