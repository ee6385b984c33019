"""Who speaks: espeak-ng's voice variants, each in one part of the data only, times accents of English.

Variants that share their formants differ by pitch or a little colour and would be recognised again: they form a
family and stay together. Left out are robots, whispers and effects that nobody would expect a keyword spotter to
follow, and variants whose effects drown the word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Families of variants (files of espeak-ng's voices/!v) by part.
FAMILIES: dict[str, tuple[tuple[str, ...], ...]] = {
    "train": (
        ("f1",), ("f2",), ("f4", "aunty"), ("belinda", "linda"), ("Alicia",), ("Andrea",), ("zac",),
        ("anika", "Diogo", "Henrique", "Hugo", "michel", "miguel"),
        ("Andy", "AnxiousAndy"), ("Denis", "Storm", "victor"), ("Gene", "Gene2"), ("Marco",),
        ("Mike", "m3"), ("Nguyen", "m8"), ("Mr serious", "Tweaky", "john", "grandpa", "fast"), ("adam", "benjamin"),
        ("caleb",), ("croak",), ("edward", "edward2"), ("gustave", "marcelo"),
        ("iven", "iven2", "iven3", "iven4"), ("kaukovalta",),
        ("klatt", "klatt2", "klatt3", "klatt4", "klatt5", "klatt6"), ("m2",), ("m4", "paul"), ("m5",), ("max",),
        ("norbert",), ("rob", "robert"), ("sandro",), ("shelby",),
    ),
    "validation": (
        ("f5",), ("grandma",), ("Alex",), ("Jacky",), ("Mario", "Michael"), ("antonio",), ("m6",), ("travis",),
    ),
    "test": (
        ("f3",), ("Annie",), ("steph", "steph2", "steph3"), ("Lee",), ("boris",), ("david",), ("ed",), ("m1",),
        ("m7",), ("pablo", "pedro"), ("quincy",),
    ),
}  # fmt: skip

# Files of espeak-ng's lang folder: accents of English.
ACCENTS = (
    "gmw/en-US",
    "gmw/en",
    "gmw/en-GB-x-rp",
    "gmw/en-GB-scotland",
    "gmw/en-029",
    "gmw/en-US-nyc",
    "gmw/en-GB-x-gbclan",
    "gmw/en-GB-x-gbcwmd",
)


@dataclass(frozen=True)
class Speaker:
    """One voice that speaks with one accent.

    Attributes:
        part: The part of the data that it belongs to.
        variant: The voice.
        accent: Of English.
        tract: How much shorter the vocal tract is than the variant's own: raises pitch and formants.
        words_per_minute: Its usual speed.
        pitch: Its usual pitch, espeak's 0 to 99.
        seed: Of everything else about it.
    """

    part: str
    variant: str
    accent: str
    tract: float
    words_per_minute: int
    pitch: int
    seed: tuple[int, ...]

    @property
    def name(self) -> str:
        """Letters, digits and dashes: the speaker's part of a file's name."""
        return f"{self.variant}-{self.accent.split('/')[1]}".replace(" ", "-")


def variants(part: str) -> tuple[str, ...]:
    """Return the voices of a part."""
    return tuple(variant for family in FAMILIES[part] for variant in family)


def speakers(part: str, seed: int, accents: int = len(ACCENTS), voices: int = 0) -> tuple[Speaker, ...]:
    """Return the speakers of a part: each voice in each accent, with habits of its own.

    Args:
        accents: How many accents.
        voices: At most so many of the part's voices; 0 for all.
    """
    chosen = variants(part)[: voices or None]
    result = []
    for i, variant in enumerate(chosen):
        for j, accent in enumerate(ACCENTS[:accents]):
            key = (seed, list(FAMILIES).index(part), i, j)
            rng = np.random.default_rng(key)
            result.append(
                Speaker(
                    part,
                    variant,
                    accent,
                    tract=float(rng.uniform(0.9, 1.12)),
                    words_per_minute=int(rng.integers(120, 200)),
                    pitch=int(rng.integers(30, 70)),
                    seed=key,
                )
            )
    return tuple(result)
