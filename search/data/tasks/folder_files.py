"""What a folder of samples holds: a folder a class with pictures, WAVs or ``.npz``, or ``.npz`` that name classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from micronets_gen.errors import UsageError
from micronets_gen.search.data.arrays import ArrayFile, inspect_arrays
from micronets_gen.search.data.parts import PART_FOLDERS, PARTS
from micronets_gen.search.data.pictures import SUFFIXES
from micronets_gen.search.data.tasks.sampling import three_parts

KINDS = {
    "pictures": SUFFIXES,
    "sounds": (".wav",),
    "arrays": (".npz",),
}

LEAST = 10
"""Samples that each class needs, of which one is then the validation and one the test."""

_LAYOUTS = (
    "lay it out as DIR/<class>/..., or as DIR/train/<class>/... and DIR/test/<class>/..., with pictures "
    f"({', '.join(suffix[1:] for suffix in SUFFIXES)}), WAV files or .npz files; or give DIR/train.npz and "
    "DIR/test.npz with arrays x and y"
)


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        file: Relative to the folder.
        label: Its class.
        row: Its number in a ``.npz`` file; 0 in others.
    """

    file: str
    label: int
    row: int = 0

    @property
    def name(self) -> str:
        return f"{self.file}, sample {self.row}"


@dataclass(frozen=True, eq=False)
class Samples:
    """What a folder holds.

    Attributes:
        kind: A key of :data:`KINDS`.
        parts: Samples of training, validation and test, every class in each.
        shape: Of a sample, for arrays.
    """

    root: Path
    kind: str
    classes: tuple[str, ...]
    parts: Mapping[str, tuple[Sample, ...]]
    shape: tuple[int, int, int] | None = None

    @property
    def files(self) -> list[str]:
        return sorted({sample.file for samples in self.parts.values() for sample in samples})


@dataclass(frozen=True)
class _Found:
    """A file with the class that its folder says; None beside class folders."""

    path: Path
    folder: str | None


def find_samples(root: Path) -> Samples:
    """Return what a folder holds.

    Raises:
        UsageError: it is missing or empty, its files are of several kinds, a class or a part is missing, or
            there are too few.
    """
    if not root.is_dir():
        raise UsageError("no such folder", where=str(root), remedy=_LAYOUTS)
    files = {part: found for part, found in _parts(root).items() if found}
    if not files:
        raise UsageError("no samples in it", where=str(root), remedy=_LAYOUTS)
    if "train" not in files:
        raise UsageError(f"{' and '.join(files)} without train", where=str(root), remedy=_LAYOUTS)
    kind = _kind_of(root, [found.path for part in files.values() for found in part])
    arrays = (
        {f.path: inspect_arrays(f.path) for part in files.values() for f in part} if kind == "arrays" else {}
    )
    shape = _one_shape(arrays) if arrays else None
    classes = _classes(root, files["train"], arrays)
    parts = three_parts(
        {part: list(_samples(root, part, found, classes, arrays)) for part, found in files.items()}
    )
    _require_enough(root, classes, parts)
    return Samples(root, kind, classes, parts, shape)


def _parts(root: Path) -> dict[str, list[_Found]]:
    """Return the files of each part; all are of training where no part has a folder or a file of its own."""
    places = {
        part: [place for name in names for place in (root / name, root / f"{name}.npz") if _is_part(place)]
        for part, names in PART_FOLDERS.items()
    }
    taken = [place for part in places.values() for place in part]
    if not taken:
        return {"train": list(_in(root))}
    others = [
        entry.name for entry in _entries(root) if entry not in taken and (entry.is_dir() or _kind(entry))
    ]
    if others:
        raise UsageError(
            f"{', '.join(others[:3])} beside {', '.join(place.name for place in taken)}",
            where=str(root),
            why="a folder holds either parts or classes",
            remedy=_LAYOUTS,
        )
    return {part: [found for place in mine for found in _in(place)] for part, mine in places.items()}


def _is_part(place: Path) -> bool:
    """Whether a folder of such a name holds classes, and is none itself."""
    if place.suffix:
        return place.is_file()
    inside = list(_entries(place)) if place.is_dir() else []
    return any(entry.is_dir() or entry.suffix == ".npz" for entry in inside) and not any(
        _kind(entry) for entry in inside if entry.suffix != ".npz"
    )


def _in(place: Path) -> Iterator[_Found]:
    if place.is_file():
        yield _Found(place, None)
        return
    entries = list(_entries(place))
    folders = [entry for entry in entries if entry.is_dir()]
    loose = [entry for entry in entries if entry.is_file() and _kind(entry)]
    if loose and (folders or any(_kind(file) != "arrays" for file in loose)):
        raise UsageError(
            f"{loose[0].name} lies in no class",
            where=str(place),
            why="the class of a sample is the folder that it lies in",
            remedy=_LAYOUTS,
        )
    yield from (_Found(file, None) for file in loose)
    for folder in folders:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and _kind(path)]
        if not files:
            raise UsageError("no samples in it", where=str(folder), remedy=_LAYOUTS)
        yield from (_Found(file, folder.name) for file in files)


def _entries(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, in order, without what its name says is none of a person's samples."""
    return (entry for entry in sorted(folder.iterdir()) if entry.name[0] not in "._")


def _kind(path: Path) -> str:
    hidden = path.name[0] in "._"
    return next((k for k, suffixes in KINDS.items() if path.suffix.lower() in suffixes and not hidden), "")


def _kind_of(root: Path, paths: Sequence[Path]) -> str:
    by_kind: dict[str, Path] = {}
    for path in paths:
        by_kind.setdefault(_kind(path), path)
    if len(by_kind) > 1:
        raise UsageError(
            f"{' and '.join(by_kind)} in one folder",
            where=str(root),
            why="; ".join(str(path.relative_to(root)) for path in by_kind.values()),
            remedy="keep samples of one kind, and move the others elsewhere",
        )
    return next(iter(by_kind))


def _one_shape(arrays: Mapping[Path, ArrayFile]) -> tuple[int, int, int]:
    (first, one), *others = arrays.items()
    for path, array in others:
        if array.shape != one.shape:
            raise UsageError(
                f"its samples are {_times(array.shape)}, those of {first.name} {_times(one.shape)}",
                where=str(path),
                remedy="cut or pad them to one shape",
            )
    return one.shape


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _classes(root: Path, training: Sequence[_Found], arrays: Mapping[Path, ArrayFile]) -> tuple[str, ...]:
    """Return the classes' names: of the folders, or of what the ``.npz`` files say."""
    folders = sorted({found.folder for found in training if found.folder is not None})
    if folders:
        names = tuple(folders)
    else:
        for found in training:
            if arrays[found.path].labels is None:
                raise UsageError("lacks y, the class of each sample", where=str(found.path), remedy=_LAYOUTS)
        known = {arrays[found.path].names for found in training} - {()}
        count = 1 + max(int(a.labels.max()) for a in arrays.values() if a.labels is not None)
        names = known.pop() if len(known) == 1 else tuple(map(str, range(count)))
        if len(names) < count:
            raise UsageError(
                f"{len(names)} names in 'classes', and y goes to {count - 1}",
                where=str(root),
                remedy="name every class",
            )
    if len(names) < 2:
        raise UsageError(
            f"one class only: {names[0]}",
            where=str(root),
            remedy="two or more are needed; is it the folder above that was meant, or the one below?",
        )
    return names


def _samples(
    root: Path, part: str, files: Sequence[_Found], classes: tuple[str, ...], arrays: Mapping[Path, ArrayFile]
) -> Iterator[Sample]:
    for found in files:
        name = found.path.relative_to(root).as_posix()
        array = arrays.get(found.path)
        if found.folder is not None:
            if found.folder not in classes:
                raise UsageError(
                    f"class {found.folder} of {part} is none of train's",
                    where=str(root),
                    why=f"those are {', '.join(classes)}",
                    remedy="name the folders alike in every part",
                )
            label = classes.index(found.folder)
            yield from (Sample(name, label, row) for row in range(array.rows if array else 1))
        elif array is not None and array.labels is not None:
            yield from (Sample(name, int(label), row) for row, label in enumerate(array.labels))
        else:
            raise UsageError("lacks y, the class of each sample", where=str(found.path), remedy=_LAYOUTS)


def _require_enough(root: Path, classes: tuple[str, ...], parts: Mapping[str, Sequence[Sample]]) -> None:
    for label, name in enumerate(classes):
        counts = {part: sum(sample.label == label for sample in parts[part]) for part in PARTS}
        total = sum(counts.values())
        if total < LEAST:
            raise UsageError(
                f"{total} samples of class {name}",
                where=str(root),
                why=f"each class needs {LEAST}, for training, validation and test together",
                remedy="collect more of it, or leave the class out",
            )
        for part, count in counts.items():
            if not count:
                raise UsageError(
                    f"no samples of class {name} for {part}",
                    where=str(root),
                    remedy="each part needs samples of every class; a part that is left out is taken of train",
                )
