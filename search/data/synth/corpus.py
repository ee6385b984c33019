"""Makes the corpus: words by many speakers in a folder laid out like Speech Commands v2.

Each speaker is one process, so that the sound depends on the settings and on espeak-ng's version alone, not on how
many processes work at once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from micronets_gen.errors import UsageError
from micronets_gen.search.data.drafts import draft_of
from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.progress import progress
from micronets_gen.search.data.synth import acoustics
from micronets_gen.search.data.synth.espeak import Utterance, espeak
from micronets_gen.search.data.synth.voices import ACCENTS, Speaker, speakers
from micronets_gen.search.data.synth.words import HELD_OUT, KEYWORDS, OTHER, PUBLISHED
from micronets_gen.search.data.wav import write_wav

RATE = 16000
SAMPLES = 16000
INDEX = "synthesis.json"
FORMAT = 1

_NOISE_S = 60
_LONGEST = 15000
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
_ENDINGS = ("", ".", "!", "?", ",")


@dataclass(frozen=True)
class CorpusSettings:
    """What the corpus depends on.

    Attributes:
        seed: Of everything random.
        accents: How many accents of English; each voice speaks them all.
        voices: At most so many voices in each part; 0 for all.
        takes: How many times each speaker for training says each keyword; three times elsewhere, or as many.
    """

    seed: int = 1
    accents: int = len(ACCENTS)
    voices: int = 0
    takes: int = 5


def ensure_corpus(root: Path, settings: CorpusSettings) -> dict[str, Any]:
    """Make the corpus in ``root`` unless it is there, and return what ``synthesis.json`` says.

    Raises:
        UsageError: the folder holds something else, or a corpus of other settings.
        ToolError: espeak-ng is not installed.
    """
    index = _read_index(root)
    if index is not None:
        wanted = {"format": FORMAT, **asdict(settings)}
        if index["settings"] != wanted:
            different = [name for name in wanted if index["settings"].get(name) != wanted[name]]
            raise UsageError(
                f"the speech was synthesised with other settings: {', '.join(different)}",
                where=str(root),
                remedy="give another folder, or the settings of this one",
            )
        return index
    if root.exists() and any(root.iterdir()):
        raise UsageError(
            f"not empty, and without {INDEX}: not synthesised speech",
            where=str(root),
            remedy="give a folder that is empty or does not exist yet: about 1.3 GB are written there",
        )
    with draft_of(root) as draft:
        _make(draft, settings)
        if root.exists():
            root.rmdir()
        draft.rename(root)
    index = _read_index(root)
    assert index is not None
    return index


def _read_index(root: Path) -> dict[str, Any] | None:
    try:
        index: dict[str, Any] = json.loads((root / INDEX).read_text(encoding="utf-8"))
    except OSError:
        return None
    return index


def _make(root: Path, settings: CorpusSettings) -> None:
    version = espeak_version()
    began = time.monotonic()
    everybody = {part: speakers(part, settings.seed, settings.accents, settings.voices) for part in PARTS}
    for word in (*KEYWORDS, *PUBLISHED, *OTHER, *HELD_OUT, "_background_noise_"):
        (root / word).mkdir()
    jobs = [(root, speaker, settings.takes) for part in PARTS for speaker in everybody[part]]
    names: dict[str, list[str]] = {part: [] for part in PARTS}
    with _pool() as pool:
        for part, files in progress(pool.imap(_speak, jobs), len(jobs), "speech: speakers"):
            names[part] += files
        talkers = {part: everybody[part][:: max(1, len(everybody[part]) // 24)] for part in PARTS}
        babble = pool.apply(_babble, (talkers, settings.seed))
    _write_noises(root / "_background_noise_", settings.seed, babble)
    for part, name in _LISTS.items():
        (root / name).write_text("\n".join(sorted(names[part])) + "\n", encoding="utf-8")
    for folder in root.iterdir():
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    index = {
        "settings": {"format": FORMAT, **asdict(settings)},
        "espeak_ng": version,
        "clips": {part: len(names[part]) for part in PARTS},
        "speakers": {part: len(everybody[part]) for part in PARTS},
        "voices": {
            part: list(dict.fromkeys(speaker.variant for speaker in everybody[part])) for part in PARTS
        },
        "accents": [accent.split("/")[1] for accent in ACCENTS[: settings.accents]],
        "seconds": round(time.monotonic() - began, 1),
    }
    (root / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _pool() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    processes = len(os.sched_getaffinity(0))
    return context.Pool(processes, signal.signal, (signal.SIGINT, signal.SIG_IGN), maxtasksperchild=1)


def espeak_version() -> str:
    """Return the version of the installed espeak-ng, asked in a process of its own.

    Raises:
        ToolError: espeak-ng is not installed.
    """
    with _pool() as pool:
        return str(pool.apply(_version))


def _version() -> str:
    return espeak().version


def sentences(speaker: Speaker, takes: int) -> Iterator[tuple[str, int, Utterance]]:
    """Yield what a speaker says: the word, the number of the take, and how it is said."""
    rng = np.random.default_rng([*speaker.seed, 0])
    train = speaker.part == "train"
    said = [(word, take) for word in KEYWORDS for take in range(takes if train else min(takes, 3))]
    others = PUBLISHED if not train else tuple(rng.permutation(PUBLISHED)[:15])
    rare = OTHER if speaker.part != "test" else HELD_OUT
    said += [(str(word), 0) for word in (*others, *rng.permutation(rare)[:5])]
    for word, take in said:
        yield (
            word,
            take,
            Utterance(
                word + str(rng.choice(_ENDINGS)),
                int(speaker.words_per_minute * rng.uniform(0.85, 1.2)),
                int(np.clip(speaker.pitch + rng.integers(-15, 16), 0, 99)),
                int(rng.integers(25, 85)),
            ),
        )


def _dry(speaker: Speaker, utterance: Utterance) -> acoustics.Doubles:
    """Return a word at :data:`RATE`, no longer than :data:`_LONGEST`, at -1..1."""
    library = espeak()
    ratio = RATE / (library.rate * speaker.tract)
    faster = 1.0
    sound = np.zeros(0)
    for _ in range(4):
        speed = min(450, int(utterance.words_per_minute * faster))
        said = Utterance(utterance.text, speed, utterance.pitch, utterance.intonation)
        sound = acoustics.trimmed(acoustics.resampled(library.say(said) / 32768.0, ratio))
        if len(sound) <= _LONGEST:
            break
        faster *= 1.1 * len(sound) / _LONGEST
    return sound[:_LONGEST]


def _speak(job: tuple[Path, Speaker, int]) -> tuple[str, list[str]]:
    """Write every clip of one speaker; return its part and the files."""
    root, speaker, takes = job
    espeak().set_voice(speaker.accent, speaker.variant)
    rng = np.random.default_rng([*speaker.seed, 1])
    files = []
    for word, take, utterance in sentences(speaker, takes):
        dry = _dry(speaker, utterance)
        name = f"{word}/{speaker.name}_nohash_{take}.wav"
        write_wav(root / name, acoustics.recorded(rng, dry, SAMPLES, RATE), RATE)
        files.append(name)
    return speaker.part, files


def _babble(talkers: dict[str, tuple[Speaker, ...]], seed: int) -> acoustics.Doubles:
    """Return a minute of many people who talk at once: each part's people in its own stretch of time."""
    library = espeak()
    rng = np.random.default_rng([seed, 99])
    words = (*PUBLISHED, *OTHER)
    pieces = []
    for part, share in zip(PARTS, (0.8, 0.1, 0.1), strict=True):
        length = int(share * _NOISE_S * RATE)
        total = np.zeros(length)
        for speaker in talkers[part]:
            library.set_voice(speaker.accent, speaker.variant)
            spoken = 0
            while spoken < length:
                text = " ".join(str(word) for word in rng.permutation(words)[:12])
                said = library.say(Utterance(text, speaker.words_per_minute, speaker.pitch)) / 32768.0
                sound = acoustics.resampled(said, RATE / (library.rate * speaker.tract))[: length - spoken]
                total[spoken : spoken + len(sound)] += rng.uniform(0.3, 1.0) * sound
                spoken += max(len(sound), 1)
        pieces.append(total / np.sqrt(np.mean(total**2)))
    return np.concatenate(pieces)


def _write_noises(folder: Path, seed: int, babble: acoustics.Doubles) -> None:
    rng = np.random.default_rng([seed, 98])
    samples = _NOISE_S * RATE
    noises = {
        "white_noise": acoustics.coloured(rng, samples, 0.0),
        "pink_noise": acoustics.coloured(rng, samples, 1.0),
        "brown_noise": acoustics.coloured(rng, samples, 2.0),
        "mains_hum": acoustics.hum(rng, samples, RATE),
        "fan": acoustics.fan(rng, samples, RATE),
        "clatter": acoustics.clatter(rng, samples, RATE),
        "babble": babble,
    }
    for name, noise in noises.items():
        write_wav(folder / f"{name}.wav", acoustics.as_pcm(0.7 * noise / np.abs(noise).max()), RATE)
