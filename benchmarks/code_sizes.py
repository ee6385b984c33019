"""Measures what each kernel of the aot runtime adds to an image; ``python -m benchmarks.code_sizes`` records it.

The record, ``templates/aot/code_sizes.json``, holds for each instruction set and kernel the size of its parameters,
and the input sections that the linker keeps for it with their bytes: what two kernels share has one name.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from micronets_gen.common.resources import data_dir
from micronets_gen.image.elf import read_map
from micronets_gen.image.symbols import open_image, read_symbols

COMPILER = "arm-none-eabi-gcc"
FLAGS = {
    "c": ("-mcpu=cortex-m3", "-mthumb"),
    "dsp": ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    "mve": ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
}
"""Of each instruction set the core whose code is the largest."""
RECORD = data_dir("templates") / "aot" / "code_sizes.json"

KERNEL = re.compile(r"^void (mn_\w+)\(const struct \1_params ", re.MULTILINE)
"""Declares a kernel in a header."""
_STORED = (".text", ".rodata", ".data")
# The self-test needs them whatever the model is.
_ALWAYS = ("memcpy", "memset", "strlen")


def compiler() -> str:
    """Return the compiler's name and version."""
    command = [COMPILER, "-dumpfullversion"]
    version = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return f"{COMPILER} {version.strip()}"


def measure(simd: str) -> dict[str, dict[str, Any]]:
    """Compile all kernels for ``c``, ``dsp`` or ``mve``, link each alone, and return the record of each."""
    with tempfile.TemporaryDirectory() as name:
        folder, flags = Path(name), FLAGS[simd]
        sources, headers = (_files(suffix, simd) for suffix in ("c", "h"))
        _run(folder, *flags, "-std=gnu11", "-O2", "-ffunction-sections", "-fdata-sections", "-c", *sources)
        objects = [f"{s.stem}.o" for s in sources]
        kernels = {h.name: KERNEL.findall(h.read_text(encoding="utf-8")) for h in headers}
        params = _params(folder, flags, headers[0].parent, kernels)
        return {k: {"params": params[k], "sections": _kept(folder, flags, objects, k)} for k in params}


def _params(
    folder: Path, flags: tuple[str, ...], include: Path, kernels: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    lines = [f'#include "{header}"' for header, names in kernels.items() if names]
    names = sorted(name for found in kernels.values() for name in found)
    lines += [f"char {name}_size[sizeof(struct {name}_params)];" for name in names]
    (folder / "params.c").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _run(folder, *flags, f"-I{include}", "-fdata-sections", "-c", "params.c", "-o", "params.o")
    with open_image(folder / "params.o") as image:
        sizes = {symbol.name: symbol.size for symbol in read_symbols(image)}
    return {name: sizes[f"{name}_size"] for name in names}


def _kept(folder: Path, flags: tuple[str, ...], objects: list[str], kernel: str) -> dict[str, int]:
    _run(
        folder, *flags, "-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs",
        f"-Wl,--gc-sections,--no-warn-mismatch,-e,{kernel},-Map=a.map", *objects, "-lm", "-o", "a.elf",
    )  # fmt: skip
    pieces = [p for p in read_map(folder / "a.map") if p.output in _STORED]
    found: dict[str, int] = {}
    for piece in pieces:
        file = Path(piece.file.rstrip(")").rpartition("(")[2] or piece.file).name
        if file.removeprefix("lib_a-").removesuffix(".o") not in _ALWAYS:
            key = f"{file}:{piece.section}"
            found[key] = found.get(key, 0) + piece.size
    return dict(sorted(found.items()))


def _files(suffix: str, simd: str) -> list[Path]:
    found = sorted((data_dir("templates") / "aot").glob(f"*.{suffix}"))
    return [file for file in found if simd == "mve" or not file.stem.endswith("_mve")]


def _run(folder: Path, *arguments: str | Path) -> None:
    subprocess.run([COMPILER, *map(str, arguments)], cwd=folder, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    record = {"compiler": compiler(), "sizes": {simd: measure(simd) for simd in FLAGS}}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
