"""Where the sounds of MIMII's slide rails lie: as DCASE 2020 task 2 or as MIMII itself publishes them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from micronets_gen.errors import UsageError
from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.tasks.sampling import held_back

DEFAULT_MACHINES = "00,02,04,06"

_DCASE_NAME = re.compile(r"(normal|anomaly)_id_(\d+)_(\d+)\.wav")
_NORMAL_TESTS = 100  # of each machine, where MIMII leaves the split open; as many as DCASE took

_HOW_TO_GET = (
    "get dev_data_slider.zip of DCASE 2020 task 2 (https://zenodo.org/record/3678171), unpack it and give the folder "
    "that holds slider/train/normal_id_00_00000000.wav and slider/test/anomaly_id_00_00000000.wav, or slider itself; "
    "or MIMII's 6_dB_slider.zip (https://zenodo.org/record/3384388), with slider/id_00/normal/00000000.wav and "
    "slider/id_00/abnormal/"
)


@dataclass(frozen=True)
class Clip:
    """One recording.

    Attributes:
        file: Relative to the data set's folder.
        machine: Index of the machine.
        anomalous: Whether the machine was damaged.
    """

    file: str
    machine: int
    anomalous: bool


@dataclass(frozen=True, eq=False)
class Sounds:
    """A data set: where it is, its layout, and the clips of each part."""

    root: Path
    layout: str
    parts: Mapping[str, tuple[Clip, ...]]


def find_sounds(data_dir: Path | None, machines: tuple[str, ...]) -> Sounds:
    """Return the recordings of ``machines``.

    A tenth of each machine's normal recordings for training, chosen by the hash of their names, becomes the validation.

    Raises:
        UsageError: the folder holds neither layout, or lacks a machine.
    """
    if data_dir is None:
        raise UsageError("this task needs recordings of slide rails", remedy=_HOW_TO_GET)
    if not data_dir.is_dir():
        raise UsageError("no such folder", where=str(data_dir), remedy=_HOW_TO_GET)
    for root in (data_dir, data_dir / "slider", data_dir / "dev_data_slider" / "slider"):
        if (root / "train").is_dir() and (root / "test").is_dir():
            return _checked(root, "DCASE 2020 task 2", _dcase(root, machines), machines)
        if any(root.glob("id_*/normal")):
            return _checked(root, "MIMII", _mimii(root, machines), machines)
    raise UsageError("no layout that this task knows", where=str(data_dir), remedy=_HOW_TO_GET)


def _dcase(root: Path, machines: tuple[str, ...]) -> dict[str, list[Clip]]:
    parts: dict[str, list[Clip]] = {part: [] for part in PARTS}
    for folder in ("train", "test"):
        for path in sorted((root / folder).glob("*.wav")):
            match = _DCASE_NAME.fullmatch(path.name)
            if match is None or match[2] not in machines:
                continue
            clip = Clip(f"{folder}/{path.name}", machines.index(match[2]), match[1] == "anomaly")
            parts[folder].append(clip)
    for index in range(len(machines)):
        kept = held_back([clip.file for clip in parts["train"] if clip.machine == index])
        parts["validation"] += [clip for clip in parts["train"] if clip.file in kept]
        parts["train"] = [clip for clip in parts["train"] if clip.file not in kept]
    return parts


def _mimii(root: Path, machines: tuple[str, ...]) -> dict[str, list[Clip]]:
    parts: dict[str, list[Clip]] = {part: [] for part in PARTS}
    for index, machine in enumerate(machines):
        folder = f"id_{machine}"
        normal = [
            Clip(f"{folder}/normal/{path.name}", index, False)
            for path in (root / folder / "normal").glob("*.wav")
        ]
        normal.sort(key=lambda clip: hashlib.sha256(clip.file.encode()).digest())
        tests = min(_NORMAL_TESTS, len(normal) // 3)
        parts["test"] += sorted(normal[:tests], key=lambda clip: clip.file)
        rest = sorted(normal[tests:], key=lambda clip: clip.file)
        kept = held_back([clip.file for clip in rest])
        parts["train"] += [clip for clip in rest if clip.file not in kept]
        parts["validation"] += [clip for clip in rest if clip.file in kept]
        parts["test"] += [
            Clip(f"{folder}/abnormal/{path.name}", index, True)
            for path in sorted((root / folder / "abnormal").glob("*.wav"))
        ]
    return parts


def _checked(root: Path, layout: str, parts: dict[str, list[Clip]], machines: tuple[str, ...]) -> Sounds:
    for part in PARTS:
        for index, machine in enumerate(machines):
            mine = [clip for clip in parts[part] if clip.machine == index]
            if not mine:
                raise UsageError(
                    f"no recording of machine id_{machine} for {part}", where=str(root), remedy=_HOW_TO_GET
                )
            if part == "test" and len({clip.anomalous for clip in mine}) < 2:
                raise UsageError(
                    f"the test of machine id_{machine} needs normal and anomalous recordings",
                    where=str(root),
                    remedy=_HOW_TO_GET,
                )
    return Sounds(root, layout, {part: tuple(clips) for part, clips in parts.items()})
