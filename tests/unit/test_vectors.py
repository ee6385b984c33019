"""Golden vectors of a person's file: what is taken, and the one message for everything that can be wrong with one."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.errors import UsageError
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.jobs.execute import load_report
from micronets_gen.model.graph import DType
from micronets_gen.project.lock import Lock
from micronets_gen.project.vectors import Vectors, vectors_for
from tests.support.tiny_project import tiny_plan

GRAPH = tiny_plan().graph
INPUT = GRAPH.tensor(GRAPH.inputs[0])
GOOD = np.arange(-12, 12, dtype=np.int8).reshape(3, 8)


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def taken(vectors: Vectors) -> np.ndarray:
    return np.concatenate([row[0] for row in vectors.inputs]).reshape(vectors.count, -1)


def test_vectors_of_a_file(tmp_path: Path) -> None:
    path = save(
        tmp_path / "v.npz", input_0=GOOD, labels=np.array([7, -1, 0]), classes=np.array(list("abcdefgh"))
    )
    vectors = vectors_for(GRAPH, path, count=2)
    assert vectors.labels == (7, -1)
    assert vectors.classes == tuple("abcdefgh")
    assert (vectors.source, vectors.note) == ("v.npz", "")
    np.testing.assert_array_equal(taken(vectors), GOOD[:2])
    expected = np.concatenate([row[0] for row in vectors.expected])
    np.testing.assert_array_equal(expected.reshape(2, 8), np.maximum(GOOD[:2], 0))


@pytest.mark.parametrize(
    "array",
    [
        GOOD,
        GOOD.reshape(3, 1, 8, 1),
        np.asfortranarray(GOOD),
        GOOD.astype(">i1"),
        INPUT.scale * (GOOD.astype(np.float64) - INPUT.zero_point),
        (INPUT.scale * (GOOD.astype(np.float32) - INPUT.zero_point)).astype(">f4"),
        np.asfortranarray(INPUT.scale * (GOOD.astype(np.float16) - INPUT.zero_point)),
    ],
    ids=["as it is", "ones", "fortran", "big endian", "float64", "big float32", "float16"],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz", " compressed.npz"])
def test_forms_that_say_the_same(tmp_path: Path, array: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"v{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    else:
        (np.savez_compressed if "compressed" in suffix else np.savez)(path, input_0=array)
    vectors = vectors_for(GRAPH, path, count=2)
    np.testing.assert_array_equal(taken(vectors), GOOD[:2])
    assert ("quantised" in vectors.source, "quantised" in vectors.note) == ((array.dtype.kind == "f"),) * 2


def test_real_numbers_are_quantised_as_tflite_does_and_what_is_cut_is_said(tmp_path: Path) -> None:
    scale, zero = 0.5, -3
    tensor = replace(
        INPUT, quantization=replace(INPUT.quantization, scale=np.array([scale]), zero_point=np.array([zero]))
    )  # type: ignore[type-var, arg-type]
    graph = replace(GRAPH, tensors=tuple(tensor if t is INPUT else t for t in GRAPH.tensors))
    real = np.array([[0, 0.25, -0.25, 0.24, 0.75, 1e9, -64.6, 65]])
    np.save(tmp_path / "v.npy", real)
    vectors = vectors_for(graph, tmp_path / "v.npy")
    assert taken(vectors).tolist() == [[-3, -2, -4, -3, -1, 127, -128, 127]]
    assert vectors.source == "v.npy, quantised from real numbers"
    assert vectors.note == (
        "v.npy: input_0 is quantised from float64 by scale 0.5, zero point -3; "
        "25.0 % of its values lie beyond -62.5 to 65 and are cut to that"
    )


def test_values_of_a_model_of_real_numbers_stay(tmp_path: Path) -> None:
    tensors = tuple(replace(t, dtype=DType.FLOAT32, quantization=None) for t in GRAPH.tensors)
    graph = replace(GRAPH, tensors=tensors)
    from micronets_gen.project import vectors as module
    from micronets_gen.project.vector_file import open_samples

    np.save(tmp_path / "v.npy", np.full((1, 8), 0.1))
    with open_samples(tmp_path / "v.npy") as file:
        given = module._given(graph, file, "v.npy", 4)
    assert given.inputs[0][0].dtype == np.float32
    assert given.note == ""


def zeros(shape: str, descr: str = "'|i1'", *, order: str = "False", content: bytes = b"") -> bytes:
    """Return a ``.npy`` file with that text in its header."""
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def encrypted() -> bytes:
    data = bytearray(npz(input_0=GOOD))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


ATTACKS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "cannot be read as golden vectors"),
    "text": (b"hello", "cannot be read as golden vectors"),
    "half a zip": (npz(input_0=GOOD)[:90], "cannot be read as golden vectors"),
    "zip of nothing": (zipped(), "lacks 'input_0'\n  why: it has nothing"),
    "member that is none": (zipped(input_0=b"PK"), "cannot be read as golden vectors"),
    "encrypted": (encrypted(), "cannot be read as golden vectors\n  why: .*(encrypted|password)"),
    "truncated": (zeros("(3, 8)", content=bytes(20)), "it ends after 20 of 24 bytes of 'input_0'"),
    "truncated in zip": (zipped(input_0=zeros("(3, 8)")), "it ends after 0 of 24 bytes"),
    "absurd rows": (zeros("(10**15, 8)"), "cannot be read as golden vectors"),
    "more rows than there are": (zeros(f"({10**15}, 8)"), "it ends after 0 of 32 bytes"),
    "fortran of petabytes": (zeros(f"({10**15}, 8)", order="True"), "'input_0' is too large"),
    "negative": (zeros("(-3, 8)"), "'input_0' is no plain array"),
    "huge number": (zeros(f"({'9' * 4000}, 8)"), "it ends after 0"),
    "huger number": (zeros(f"({'9' * 9000}, 8)"), "cannot be read as golden vectors"),
    "deep header": (zeros("(" * 4000 + ")" * 4000), "cannot be read as golden vectors"),
    "open header": (zeros("(" * 4000), "cannot be read as golden vectors"),
    "indented header": (zeros("1,\n    2\n  3"), "cannot be read as golden vectors"),
    "long header": (zeros("(3, 8)" + " " * 20_000), "cannot be read as golden vectors"),
    "pickle": (zeros("(3, 8)", "'|O'", content=b"cos\nsystem\n(S'false'\ntR."), "holds Python objects"),
    "pickled labels": (
        npz(input_0=GOOD, labels=np.array([1, None, 2], dtype=object)),
        "'labels' holds Python objects",
    ),
    "structure": (zeros("(3, 8)", "[('a', '|i1')]"), "is no plain array"),
    "no dimensions": (zeros("()", content=b"x"), r"'input_0' has shape \(\)"),
    "no samples": (npz(input_0=GOOD[:0]), "its inputs hold 0 samples"),
    "other type": (
        npz(input_0=GOOD.astype(np.uint8)),
        r"has shape \(3, 8\) and type uint8\n  why: .* or float32",
    ),
    "other shape": (npz(input_0=np.zeros((2, 9), np.int8)), r"'input_0' has shape \(2, 9\)"),
    "turned": (npz(input_0=GOOD.T), r"'input_0' has shape \(8, 3\)"),
    "not a number": (
        npz(input_0=np.array([[0.0] * 8, [0.0] * 7 + [np.nan]])),
        "sample 1 of 'input_0' holds a value",
    ),
    "infinite": (npz(input_0=np.full((1, 8), -np.inf)), "sample 0 of 'input_0' holds a value"),
    "complex": (npz(input_0=GOOD.astype(complex)), "and type complex128"),
    "other name": (npz(x=GOOD), "lacks 'input_0'\n  why: it has x"),
    "name that is almost right": (npz(input_0=GOOD, label=np.zeros(3, int)), "(.|\n)*did you mean labels"),
    "fewer labels": (npz(input_0=GOOD, labels=np.zeros(2, int)), "'labels' must be 3 integers, not int64"),
    "real labels": (npz(input_0=GOOD, labels=np.zeros(3)), "'labels' must be 3 integers, not float64"),
    "one-hot labels": (npz(input_0=GOOD, labels=np.eye(3, 8, dtype=int)), "of one-hot rows the argmax"),
    "labels beyond": (
        npz(input_0=GOOD, labels=np.array([0, 8, 0])),
        "label of sample 1 is 8; .* classes 0 to 7",
    ),
    "labels below": (npz(input_0=GOOD, labels=np.array([0, 0, -2])), "label of sample 2 is -2"),
    "huge labels": (
        npz(input_0=GOOD, labels=np.full(3, 2**64 - 1, np.uint64)),
        "label of sample 0 is 18446744073709551615",
    ),
    "few classes": (npz(input_0=GOOD, classes=np.array(["a"])), "'classes' must be 8 texts"),
    "numbers for classes": (npz(input_0=GOOD, classes=np.arange(8)), "'classes' must be 8 texts, not int64"),
    "classes that write C": (
        npz(input_0=GOOD, classes=np.array(["a\n#error"] * 8)),
        "cannot be the name of a class",
    ),
    "long classes": (npz(input_0=GOOD, classes=np.array(["a" * 65] * 8)), "cannot be the name of a class"),
    "endless classes": (
        zipped(input_0=zeros("(3, 8)", content=bytes(24)), classes=zeros("(8,)", "'<U99999999'")),
        "too large",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning", "ignore::UserWarning")
def test_files_that_attack(tmp_path: Path, attack: str) -> None:
    content, message = ATTACKS[attack]
    path = tmp_path / "v.npz"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as raised:
        vectors_for(GRAPH, path)
    assert len(str(raised.value)) < 1000


def test_bomb_is_read_no_further_than_needed(tmp_path: Path) -> None:
    """A header that promises eight gigabytes."""
    path = tmp_path / "v.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("input_0.npy", "w", force_zip64=True) as file,
    ):
        file.write(zeros(f"({1 << 30}, 8)"))
        for _ in range(64):
            file.write(bytes(1 << 20))
    assert taken(vectors_for(GRAPH, path, count=2)).tolist() == [[0] * 8] * 2


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.npz")
    for path, message in (
        (tmp_path / "none.npz", "No such file"),
        (tmp_path, "is no regular file"),
        (tmp_path / "fifo.npz", "is no regular file"),
        (Path("/dev/zero"), "is no regular file"),
    ):
        with pytest.raises(UsageError, match=message):
            vectors_for(GRAPH, path)


def test_bundled_model_brings_the_names_of_its_classes() -> None:
    assert len(resolve_model().classes) == 12


@pytest.mark.needs("gcc")
def test_names_of_classes_and_what_was_done_reach_every_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    save(tmp_path / "mine.npz", input_0=rng.uniform(0, 1, (3, 8, 8)), classes=np.array(list("0123456789")))
    told: list[str] = []
    request = BuildRequest(
        "qemu_mps2_an386", "digits", "aot", tmp_path / "p", compile=False, vectors=tmp_path / "mine.npz"
    )
    built = build(request, tell=told.append)
    assert len(told) == 1
    assert told[0].startswith("mine.npz: input_0 is quantised from float64 by scale ")
    source = "mine.npz, quantised from real numbers"
    assert Lock.load(built.project / "micronets.lock").inputs.vectors == source
    report = load_report(built.project)
    assert ("vectors", source) in report.lock
    assert report.model.classes == tuple("0123456789")
    program = """
#include "model.h"
static const char *const names[MODEL_CLASSES] = MODEL_CLASS_NAMES;
_Static_assert(sizeof names / sizeof *names == 10, "ten digits");
int main(void) { return names[3][0] != '3'; }
"""
    (tmp_path / "a.c").write_text(program)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{built.project / 'lib/model'}"]
    subprocess.run(["gcc", *flags, "-o", tmp_path / "a", tmp_path / "a.c"], check=True)
    subprocess.run([tmp_path / "a"], check=True)


def test_random_vectors_follow_from_model_and_seed() -> None:
    graph = tiny_plan().graph

    def first(vectors: Vectors) -> list[int]:
        return vectors.inputs[0][0].reshape(-1).tolist()

    assert first(vectors_for(graph)) == first(vectors_for(graph))
    assert first(vectors_for(graph)) != first(vectors_for(graph, seed=1))
    assert first(vectors_for(graph)) != first(vectors_for(replace(graph, sha256="ff" * 32)))
    many = np.concatenate([row[0].reshape(-1) for row in vectors_for(graph, count=400).inputs])
    assert (many.min(), many.max()) == (-128, 127)
