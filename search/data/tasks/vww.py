"""Visual wake words: is a person in the picture? From folders, TFRecords or COCO with its annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from micronets_gen.boards.board import Board
from micronets_gen.errors import UsageError
from micronets_gen.search.data.features.augment import PictureAugment, augmented_pictures
from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.pictures import PictureError, centred, read_picture
from micronets_gen.search.data.store import Plan, RowError, Rows, Store, fingerprint, open_store
from micronets_gen.search.data.tasks.base import TaskData
from micronets_gen.search.data.tasks.options import parse_options
from micronets_gen.search.data.tasks.stored import About, epochs_of_pool, judge_of, select, task_data
from micronets_gen.search.data.tasks.vww_layouts import Picture, find_pictures

CLASSES = ("no person", "person")

_SMALL, _MEDIUM = 50, 160
_MEDIUM_RAM = 320 << 10


@dataclass(frozen=True)
class VwwOptions:
    """What a recipe's ``[task]`` table may set.

    Attributes:
        size: Height and width of the input; see :func:`options_for`.
        flip: Mirror half of the training pictures.
        zoom: Training pictures are cut to at least ``1 - zoom`` of their sides, at random places.
        brightness: Largest change of brightness either way; 1 is from black to white.
        contrast: Largest change of contrast either way, as a share.
        area_percent: COCO: a person counts whose annotated area is above this share of the picture.
        epoch_samples: An epoch is at most so many of the training samples, others each time; 0 for all.
    """

    size: int = _SMALL
    flip: bool = True
    zoom: float = 0.2
    brightness: float = 0.15
    contrast: float = 0.2
    area_percent: float = 0.5
    epoch_samples: int = 0

    @property
    def augment(self) -> PictureAugment:
        return PictureAugment(self.flip, self.zoom, self.brightness, self.contrast)


@dataclass(frozen=True)
class Vww:
    """The task, as :class:`micronets_gen.search.data.tasks.base.Task` says."""

    options: VwwOptions = VwwOptions()
    name: str = "vww"
    title: str = "visual wake words: person or no person, grey pictures"
    classes: tuple[str, ...] = CLASSES
    backbone: str = "vww"
    recipe: str = "vww"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.options.size, self.options.size, 1

    def load(self, data_dir: Path | None, seed: int) -> TaskData:
        """Load pictures from folders, TFRecords or COCO, whichever ``data_dir`` holds."""
        return _load(find_and_check(data_dir, self.options), self.options, seed)


def options_for(board: Board | None, input_shape: tuple[int, int, int] | None) -> dict[str, Any]:
    """Return the size of the input: that of an architecture that is given, else the board's.

    arXiv:2010.11267 gives 50x50 to its small board, which has 128 KB of RAM, and 160x160 to its medium one, which has
    320 KB; a board with less than the latter is small.
    """
    if input_shape is not None:
        return {"size": input_shape[0]}
    if board is None:
        return {}
    return {"size": _MEDIUM if board.ram_bytes >= _MEDIUM_RAM else _SMALL}


def make(**options: Any) -> Vww:
    """Return the task with ``options`` as in :class:`VwwOptions`."""
    return Vww(parse_options(VwwOptions, "vww", options))


@dataclass(frozen=True, eq=False)
class Found:
    """A data set: where it is, its layout, and the pictures of each part."""

    root: Path
    layout: str
    pictures: Mapping[str, tuple[Picture, ...]]


def find_and_check(data_dir: Path | None, options: VwwOptions) -> Found:
    """Return the pictures of ``data_dir``, both classes in every part.

    Raises:
        UsageError: no layout that is known, or a part lacks a class.
    """
    root, layout, pictures = find_pictures(data_dir, options.area_percent / 100)
    for part in PARTS:
        for label, name in enumerate(CLASSES):
            if not any(picture.label == label for picture in pictures[part]):
                raise UsageError(
                    f"no picture with {name} for {part}",
                    where=str(root),
                    why=f"read as {layout}",
                    remedy="each part of the data needs pictures of both classes",
                )
    return Found(root, layout, pictures)


def _load(found: Found, options: VwwOptions, seed: int) -> TaskData:
    store = _store(found, options.size)
    chosen = select(store.parts, options.epoch_samples)
    epochs = epochs_of_pool(
        chosen, lambda pictures, number: augmented_pictures(pictures, options.augment, number)
    )
    about = About(
        source={
            "name": f"visual wake words, read as {found.layout}",
            "citation": "A. Chowdhery et al. (2019), Visual Wake Words Dataset, arXiv:1906.05721",
            "licence": "of the pictures that were given; COCO's annotations are CC BY 4.0",
        },
        counts={"per_class": chosen.per_class(CLASSES)},
        features={"kind": "grey image", "resize": "area", "range": [-1.0, 1.0]},
        options=options,
    )
    return task_data(store, chosen, centred, epochs, judge_of(chosen, len(CLASSES)), about, seed)


def _store(found: Found, size: int) -> Store:
    files = sorted({picture.file for part in PARTS for picture in found.pictures[part]})
    listing = [
        [picture.file, picture.offset, picture.label] for part in PARTS for picture in found.pictures[part]
    ]
    key = {"files": fingerprint(found.root, files), "pictures": listing, "size": size}

    def make_plans() -> Mapping[str, Plan]:
        return {part: _plan(found.root, found.pictures[part], size) for part in PARTS}

    return open_store("vww", found.root, len(listing), key, make_plans)


def _plan(root: Path, pictures: tuple[Picture, ...], size: int) -> Plan:
    def read(row: int) -> Rows:
        picture = pictures[row]
        try:
            return read_picture(picture.read(root), (size, size), 1)
        except FileNotFoundError:
            raise RowError(picture.name, "missing") from None
        except (OSError, ValueError, PictureError) as error:
            raise RowError(picture.name, str(error)) from None

    labels = np.asarray([picture.label for picture in pictures], np.int32)
    return Plan(labels, read, lambda batch: batch, (size, size, 1), "uint8")
