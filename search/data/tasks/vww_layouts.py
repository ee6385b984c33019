"""Where the pictures of visual wake words lie: three published layouts."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micronets_gen.errors import UsageError
from micronets_gen.search.data.parts import PART_FOLDERS
from micronets_gen.search.data.tasks.sampling import three_parts

_PERSON = 1  # COCO's category
_NAMES = {"person": 1, "no_person": 0, "non_person": 0, "not_person": 0, "no-person": 0}
_SUFFIXES = (".jpg", ".jpeg", ".png")

_HOW_TO_GET = (
    "give a folder with one of: (1) person/ and no_person/ with JPEG or PNG pictures, directly or inside of train/ "
    "and val/ (and test/); MLPerf Tiny's vw_coco2014_96.tar.gz has this layout; (2) TFRecords train.record-* and "
    "val.record-* of the visual wake words script, with image/encoded and image/class/label; (3) COCO from "
    "https://cocodataset.org: annotations/instances_train2017.json and instances_val2017.json (or 2014) beside "
    "train2017/ and val2017/"
)


@dataclass(frozen=True)
class Picture:
    """One encoded picture.

    Attributes:
        file: Relative to the data set's folder.
        label: 1 with a person.
        offset: Where its record's data begin in a TFRecord file; -1 for a file of its own.
        length: Of that record.
    """

    file: str
    label: int
    offset: int = -1
    length: int = 0

    @property
    def name(self) -> str:
        return self.file if self.offset < 0 else f"{self.file}, record at byte {self.offset}"

    def read(self, root: Path) -> bytes:
        """Return the encoded picture.

        Raises:
            OSError: the file cannot be read.
            ValueError: the record holds no picture.
        """
        if self.offset < 0:
            return (root / self.file).read_bytes()
        with (root / self.file).open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.length)
        return bytes(_feature(data, "image/encoded").bytes_list.value[0])


Found = dict[str, tuple[Picture, ...]]


def find_pictures(data_dir: Path | None, area: float) -> tuple[Path, str, Found]:
    """Return the data set's folder, the name of its layout, and the pictures of each part.

    Without a folder or file for a part, it takes a tenth of the training pictures of each class, chosen by the
    hash of their names; what is published for validation becomes the test.

    Args:
        area: COCO: a person counts whose annotated area is above this share of the picture's.

    Raises:
        UsageError: nothing that is known is there.
    """
    if data_dir is None:
        raise UsageError("this task needs pictures with and without people", remedy=_HOW_TO_GET)
    if not data_dir.is_dir():
        raise UsageError("no such folder", where=str(data_dir), remedy=_HOW_TO_GET)
    for layout, find in (("COCO", _coco), ("TFRecords", _records), ("folders", _folders)):
        found = find(data_dir, area)
        if found:
            return data_dir, layout, three_parts(found)
    raise UsageError("no layout that this task knows", where=str(data_dir), remedy=_HOW_TO_GET)


def _folders(root: Path, _area: float) -> dict[str, list[Picture]]:
    places = {
        part: [name for name in names if (root / name).is_dir()] for part, names in PART_FOLDERS.items()
    }
    if not any(places.values()):
        places = {"train": ["."]}
    found: dict[str, list[Picture]] = {}
    for part, names in places.items():
        pictures = [
            Picture(file.relative_to(root).as_posix(), label)
            for name in names
            for folder, label in _NAMES.items()
            for file in sorted((root / name / folder).glob("*"))
            if file.suffix.lower() in _SUFFIXES
        ]
        if pictures:
            found[part] = pictures
    return found


def _records(root: Path, _area: float) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {}
    for part, prefixes in PART_FOLDERS.items():
        files = [file for prefix in prefixes for file in sorted(root.glob(f"{prefix}*.record*"))]
        files += [file for prefix in prefixes for file in sorted(root.glob(f"{prefix}*.tfrecord*"))]
        pictures = [picture for file in files for picture in _scan(root, file)]
        if pictures:
            found[part] = pictures
    return found


def _scan(root: Path, file: Path) -> Iterator[Picture]:
    """Yield the pictures of a TFRecord file: 8 bytes of length, 4 of check, the data, 4 of check.

    Raises:
        UsageError: it is cut off, or a record is no labelled picture.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        offset = 0
        while offset < size:
            header = stream.read(12)
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else size
            if offset + 16 + length > size:
                raise UsageError("cut off", where=str(file), remedy="make or copy the file again")
            data = stream.read(length)
            try:
                label = int(_feature(data, "image/class/label").int64_list.value[0])
            except ValueError as error:
                raise UsageError(
                    f"record at byte {offset + 12}: {error}", where=str(file), remedy=_HOW_TO_GET
                ) from None
            yield Picture(file.relative_to(root).as_posix(), int(label == 1), offset + 12, length)
            stream.seek(4, os.SEEK_CUR)
            offset += 16 + length


def _feature(data: bytes, name: str) -> Any:
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        features = tf.train.Example.FromString(data).features.feature
    except DecodeError:
        raise ValueError("no tf.train.Example") from None
    if name not in features or not features[name].WhichOneof("kind"):
        raise ValueError(f"no {name}")
    feature = features[name]
    if not getattr(feature, feature.WhichOneof("kind")).value:
        raise ValueError(f"{name} is empty")
    return feature


def _coco(root: Path, area: float) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {}
    for part, prefix in (("train", "train"), ("test", "val")):
        for file in sorted((root / "annotations").glob(f"instances_{prefix}*.json")):
            folder = file.stem.removeprefix("instances_")
            if not (root / folder).is_dir():
                raise UsageError(
                    f"{folder}/ is missing, whose pictures annotations/{file.name} describes",
                    where=str(root),
                    remedy=_HOW_TO_GET,
                )
            found.setdefault(part, []).extend(coco_pictures(file, folder, area))
    return found


def coco_pictures(file: Path, folder: str, area: float) -> list[Picture]:
    """Return the pictures of a COCO annotation file with their labels.

    A picture holds a person where an annotation of category 1 has an ``area`` above the share ``area`` of
    ``width * height``: the rule of the visual wake words script.

    Raises:
        UsageError: the file is not COCO's.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        sizes = {image["id"]: image["width"] * image["height"] for image in content["images"]}
        with_person = {
            note["image_id"]
            for note in content["annotations"]
            if note["category_id"] == _PERSON and note["area"] > area * sizes[note["image_id"]]
        }
        return [
            Picture(f"{folder}/{image['file_name']}", int(image["id"] in with_person))
            for image in sorted(content["images"], key=lambda image: str(image["file_name"]))
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            "not an annotation file of COCO", where=str(file), why=f"{type(error).__name__}: {error}"
        ) from None
