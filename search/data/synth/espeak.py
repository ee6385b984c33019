"""espeak-ng as a library: text to 16-bit sound.

The library keeps its state from one utterance to the next (phases, noise, echoes), so that the same calls give
the same sound only in a fresh process. For sound that can be made again, fork a process for each sequence of
utterances.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from micronets_gen.errors import ToolError
from micronets_gen.search.data.features.sound import Pcm

_LIBRARY = "libespeak-ng.so.1"
_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE, _PITCH, _RANGE = 1, 3, 4

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Utterance:
    """One piece of text and how it is said.

    Attributes:
        text: What is said; punctuation changes the intonation.
        words_per_minute: 80 to 450.
        pitch: 0 to 99; 50 is the voice's own.
        intonation: Range of the pitch, 0 to 99; 50 is the voice's own.
    """

    text: str
    words_per_minute: int = 175
    pitch: int = 50
    intonation: int = 50


class Espeak:
    """The library, loaded and initialised; at most one in a process, by :func:`espeak`."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise ToolError(
                "espeak-ng is not installed",
                why=str(error),
                remedy="sudo apt-get install espeak-ng",
            ) from None
        self._pieces: list[Pcm] = []
        self._callback = _Callback(self._receive)
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0))
        if self.rate <= 0:
            raise ToolError(
                "espeak-ng does not start: it finds no voice data",
                remedy="sudo apt-get install --reinstall espeak-ng-data",
            )
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, sound: Any, samples: int, _events: Any) -> int:
        if sound and samples > 0:
            self._pieces.append(np.ctypeslib.as_array(sound, (samples,)).astype(np.int16))
        return 0

    @property
    def version(self) -> str:
        info = self._library.espeak_Info
        info.restype = ctypes.c_char_p
        return str(info(None).decode())

    def set_voice(self, accent: str, variant: str) -> None:
        """Take a voice: a file of espeak's ``lang`` folder and one of its ``voices/!v`` folder.

        Raises:
            ToolError: this espeak-ng has no such accent. It takes its default for a variant that it lacks.
        """
        name = f"{accent}+{variant}"
        if self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise ToolError(f"espeak-ng has no voice {name}", remedy="install espeak-ng 1.51 or newer")

    def say(self, utterance: Utterance) -> Pcm:
        """Return the sound (samples,) of an utterance in the voice that was set."""
        self._pieces.clear()
        for parameter, value in (
            (_RATE, utterance.words_per_minute),
            (_PITCH, utterance.pitch),
            (_RANGE, utterance.intonation),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        text = utterance.text.encode() + b"\0"
        self._library.espeak_Synth(
            text, ctypes.c_size_t(len(text)), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        self._library.espeak_Synchronize()
        return np.concatenate([np.zeros(0, np.int16), *self._pieces])


@cache
def espeak() -> Espeak:
    """Return the library.

    Raises:
        ToolError: espeak-ng is not installed.
    """
    return Espeak()
