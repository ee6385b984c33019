"""Generates the C of models, builds it for a target, runs it there and returns the outputs.

Targets: ``host`` (the DSP kernels in plain C, with sanitizers) and ``m4``, ``m7``, ``m33``, ``m55`` (QEMU).
One program runs a whole batch of models, so that a property test costs one link.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from micronets_gen.model.graph import Array, Graph
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.check import check_model
from micronets_gen.plan.verify import verify
from micronets_gen.plan.verify_rows import verify_rows
from micronets_gen.runtimes.aot.planner import Layouts, Planned, plan_layers
from micronets_gen.runtimes.aot.source import model_files
from micronets_gen.simplify.simplify import simplify

FIRMWARE = Path(__file__).parent / "firmware"
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wundef")
Case = tuple[bytes, Sequence[Sequence[Array]]]


@dataclass(frozen=True)
class Target:
    """How to build for a core and run there; addresses are those of the QEMU machine."""

    name: str
    simd: str
    compiler: str
    flags: tuple[str, ...]
    machine: str = ""
    vectors: int = 0
    code: int = 0
    ram: int = 0
    stack: int = 0


_ARM = ("-mthumb", "-mfloat-abi=hard", "-O2", "-ffunction-sections", "-fdata-sections")

TARGETS = {
    target.name: target
    for target in (
        Target(
            "host", "dsp", "gcc", ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
        ),
        Target(
            "m4",
            "dsp",
            "arm-none-eabi-gcc",
            ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", *_ARM),
            "mps2-an386",
            0x0,
            0x400,
            0x21000000,
            0x22000000,
        ),
        Target(
            "m7",
            "dsp",
            "arm-none-eabi-gcc",
            ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", *_ARM),
            "mps2-an500",
            0x0,
            0x400,
            0x60000000,
            0x61000000,
        ),
        Target(
            "m33",
            "dsp",
            "arm-none-eabi-gcc",
            ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", *_ARM),
            "mps2-an505",
            0x10000000,
            0x10000400,
            0x38000000,
            0x38400000,
        ),
        Target(
            "m55",
            "mve",
            "arm-none-eabi-gcc",
            ("-mcpu=cortex-m55", *_ARM),
            "mps3-an547",
            0x0,
            0x11000000,
            0x31000000,
            0x31400000,
        ),
    )
}


def require_target(name: str) -> Target:
    """Return the target, or skip the test with what is missing."""
    target = TARGETS[name]
    for tool in (target.compiler, "qemu-system-arm" if target.machine else target.compiler):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return target


def run_on(target: str, model: bytes, inputs: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """Run one model on several inputs; return one list of output arrays an input."""
    return run_many(target, [(model, inputs)])[0]


def run_many(target_name: str, cases: Sequence[Case], optimize: str = "speed") -> list[list[list[Array]]]:
    """Run a batch: ``cases[i]`` is a model and its inputs; returns its outputs, one list an input."""
    target = require_target(target_name)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        graphs = [_emit(work, i, model, target, optimize) for i, (model, _) in enumerate(cases)]
        (work / "batch.c").write_text(_batch(graphs, cases))
        data = b"".join(
            np.ascontiguousarray(a).tobytes() for _, inputs in cases for run in inputs for a in run
        )
        (work / "inputs.bin").write_bytes(data)
        _link(work, target, len(cases))
        _execute(work, target)
        return _outputs((work / "outputs.bin").read_bytes(), graphs, cases)


def _emit(work: Path, index: int, model: bytes, target: Target, optimize: str) -> Graph:
    given = read_model_bytes(model, f"case{index}")
    assert not check_model(given), check_model(given)
    graph = simplify(given).graph
    layers, memory = _planned(graph, target.simd, optimize)
    codes = [layer.code for layer in layers if layer.code]
    verify_rows(memory, graph, codes)
    if not memory.groups:
        verify(memory, graph, codes)
    folder = work / f"case{index}"
    folder.mkdir()
    for name, text in model_files(graph, layers, memory, graph.name).items():
        (folder / name).write_text(text)
    (folder / "unit.c").write_text('#include "model.c"\n#include "model_data.c"\n')
    unit = work / f"case{index}.o"
    _run([target.compiler, *target.flags, *WARNINGS, "-c", folder / "unit.c", "-o", unit], work)
    _prefix_symbols(unit, f"case{index}_", target)
    return graph


def _planned(graph: Graph, simd: str, optimize: str) -> Planned:
    """Return a plan for RAM, for speed, or for an arena half-way between."""
    if optimize != "balanced":
        return plan_layers(graph, simd, optimize)
    layouts = Layouts(graph, simd)
    limit = (layouts.whole[1].size + layouts.smallest[1].size) // 2
    return layouts.within(limit, lambda planned: planned[1].size <= limit)


def _prefix_symbols(unit: Path, prefix: str, target: Target) -> None:
    tools = target.compiler.removesuffix("gcc")
    listing = _run([f"{tools}nm", "-g", "--defined-only", unit], unit.parent)
    names = [line.split()[-1] for line in listing.splitlines()]
    renames = unit.with_suffix(".syms")
    renames.write_text("".join(f"{name} {prefix}{name}\n" for name in names))
    _run([f"{tools}objcopy", f"--redefine-syms={renames}", unit], unit.parent)


def _batch(graphs: Sequence[Graph], cases: Sequence[Case]) -> str:
    lines = [
        "#include <stdint.h>",
        "struct case_port { void *(*get)(void); uint32_t bytes; };",
        "struct batch_case { void (*init)(void); void (*invoke)(void);",
        "    const struct case_port *inputs, *outputs;",
        "    uint32_t input_count, output_count, runs; };",
    ]
    rows = []
    for i, (graph, (_, inputs)) in enumerate(zip(graphs, cases, strict=True)):
        lines.append(f"void case{i}_model_init(void); void case{i}_model_invoke(void);")
        for role, tensors in (("input", graph.inputs), ("output", graph.outputs)):
            getters = [f"case{i}_model_{role}_{k}" for k in range(len(tensors))]
            lines += [f"void *{getter}(void);" for getter in getters]
            ports = ", ".join(
                f"{{{getter}, {graph.tensor(t).nbytes}}}" for getter, t in zip(getters, tensors, strict=True)
            )
            lines.append(f"static const struct case_port {role}s{i}[] = {{{ports}}};")
        rows.append(
            f"    {{case{i}_model_init, case{i}_model_invoke, inputs{i}, outputs{i}, "
            f"{len(graph.inputs)}, {len(graph.outputs)}, {len(inputs)}}},"
        )
    return "\n".join(
        [
            *lines,
            "const struct batch_case batch[] = {",
            *rows,
            "};",
            f"const uint32_t batch_size = {len(cases)};",
        ]
    )


@cache
def _object_cache() -> Path:
    return Path(tempfile.mkdtemp(prefix="micronets-objects-"))


def _kernel_object(source: Path, target: Target) -> Path:
    headers = sorted(source.parent.glob("mn_*.h"))
    text = b"".join(p.read_bytes() for p in (source, *headers))
    key = hashlib.sha256(text + repr(target).encode()).hexdigest()[:24]
    made = _object_cache() / f"{source.stem}-{key}.o"
    if not made.exists():
        _run([target.compiler, *target.flags, *WARNINGS, "-c", source, "-o", made], source.parent)
    return made


def _link(work: Path, target: Target, cases: int) -> None:
    io = "io_semihosting.c" if target.machine else "io_host.c"
    kernels = {source.name: source for source in sorted(work.glob("case*/mn_*.c"))}
    objects = [_kernel_object(source, target) for source in kernels.values()]
    script: list[str] = []
    if target.machine:
        text = (FIRMWARE / "link.ld").read_text()
        for word, value in (
            ("VECTORS", target.vectors),
            ("CODE", target.code),
            ("RAM", target.ram),
            ("STACK", target.stack),
        ):
            text = text.replace(f" {word} ", f" 0x{value:x} ").replace(f" {word};", f" 0x{value:x};")
        (work / "link.ld").write_text(text)
        script = ["-nostartfiles", "-Wl,-T,link.ld", "-specs=nosys.specs", "-Wl,--gc-sections"]
    flags = [flag for flag in target.flags if not flag.startswith("-O")]
    _run(
        [
            target.compiler,
            *flags,
            "-O1",
            "-w",
            f"-I{FIRMWARE}",
            FIRMWARE / "main.c",
            FIRMWARE / io,
            "batch.c",
            *(f"case{i}.o" for i in range(cases)),
            *objects,
            *script,
            "-lm",
            "-o",
            "batch.elf",
        ],
        work,
    )


def _execute(work: Path, target: Target) -> None:
    command: list[str | Path] = ["./batch.elf"]
    if target.machine:
        command = [
            *("qemu-system-arm", "-M", target.machine, "-nographic", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native", "-kernel", "batch.elf"),
        ]
    _run(command, work, timeout=120)


def _run(command: Sequence[str | Path], cwd: Path, timeout: float = 120) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 0, (
        f"{command[0]} exited with {result.returncode}\n{result.stdout}{result.stderr}"
    )
    return result.stdout


def _outputs(data: bytes, graphs: Sequence[Graph], cases: Sequence[Case]) -> list[list[list[Array]]]:
    position = 0
    everything = []
    for graph, (_, inputs) in zip(graphs, cases, strict=True):
        runs = []
        for _ in inputs:
            arrays = []
            for t in graph.outputs:
                tensor = graph.tensor(t)
                flat = np.frombuffer(data, tensor.dtype.value, tensor.elements, position)
                arrays.append(flat.reshape(tensor.shape))
                position += tensor.nbytes
            runs.append(arrays)
        everything.append(runs)
    assert position == len(data), f"{len(data)} bytes of output where {position} were expected"
    return everything
