"""The proof, from the machine code of a linked image, of which kernels execute a model."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from micronets_gen.errors import FitError, ToolError
from micronets_gen.report.describe import describe_layers, with_kernels
from micronets_gen.runtimes.base import LayerKernel
from micronets_gen.runtimes.tflm.guard import Expectation, layer_kernels, operator_calls, require_fast
from tests.support.tiny_project import tiny_plan

pytestmark = pytest.mark.needs("compiler")

# Mangled names as the C++ compiler gives them to functions of namespace tflite.
REGISTER = "_ZN6tflite21Register_CONV_2D_INT8Ev"
PROGRAM = """
typedef int (*kernel)(int);
struct registration { kernel prepare, invoke; };
volatile int sink;

__attribute__((noinline)) int arm_convolve_s8(int x) { return sink += x; }
__attribute__((noinline)) int arm_convolve_s8_get_buffer_size(int x) { return sink -= x; }
__attribute__((noinline)) int reference_convolve(int x) { return sink *= x; }
__attribute__((noinline)) static int wrapper(int x) { return %(callee)s(x + 1) + 1; }
static int prepare(int x) { return arm_convolve_s8_get_buffer_size(x) + 1; }
static int eval(int x) { return wrapper(x) ^ 5; }

__attribute__((noinline)) void %(register)s(struct registration *to)
{
    to->prepare = prepare;
    to->invoke = eval;
}

__attribute__((noinline)) int _ZN6tflite21MicroInterpreterGraph14InvokeSubgraphEi(struct registration *r)
{
    return r->invoke(3) + 1;
}

int main(void)
{
    struct registration r;
    %(register)s(&r);
    %(elsewhere)s
    return r.prepare(1) + r.invoke(2);
}
"""
EXPECTED = Expectation(
    "Register_CONV_2D_INT8",
    ("arm_convolve_s8", "arm_convolve_s8_get_buffer_size"),
    "kernels/cmsis_nn/conv.cc",
)


def image(folder: Path, callee: str, *flags: str, register: str = REGISTER, elsewhere: str = "") -> Path:
    source, elf = folder / "program.c", folder / "program.elf"
    source.write_text(PROGRAM % {"callee": callee, "register": register, "elsewhere": elsewhere})
    link = ["-nostartfiles", "--specs=nosys.specs", "-Wl,--gc-sections", "-Wl,-e,main", "-ffunction-sections"]
    command = ["arm-none-eabi-gcc", "-mthumb", *flags, *link, str(source), "-o", str(elf)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return elf


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55"])
@pytest.mark.parametrize("optimisation", ["-Os", "-O2", "-O0", "-O2 -mpure-code"])
def test_the_kernel_is_found_behind_pointers_and_wrappers(
    tmp_path: Path, core: str, optimisation: str
) -> None:
    elf = image(tmp_path, "arm_convolve_s8", f"-mcpu={core}", *optimisation.split())
    assert layer_kernels(elf, [(0, "CONV_2D"), (2, "CONV_2D")], {"CONV_2D": EXPECTED}) == (
        LayerKernel(0, "arm_convolve_s8"),
        LayerKernel(2, "arm_convolve_s8"),
    )


@pytest.mark.parametrize("optimisation", ["-Os", "-O2"])
def test_a_kernel_that_only_others_call_proves_nothing(tmp_path: Path, optimisation: str) -> None:
    elf = image(
        tmp_path,
        "reference_convolve",
        "-mcpu=cortex-m4",
        optimisation,
        elsewhere="sink = arm_convolve_s8(3);",
    )
    [kernel] = layer_kernels(elf, [(1, "CONV_2D")], {"CONV_2D": EXPECTED})
    assert kernel.kernel == "conv.cc (reference)"
    assert kernel.problem == "CONV_2D does not reach arm_convolve_s8 in the image"


def test_a_reference_kernel_is_named(tmp_path: Path) -> None:
    elf = image(
        tmp_path, "reference_convolve", "-mcpu=cortex-m4", "-Os", register="_ZN6tflite13Register_TANHEv"
    )
    expected = {"TANH": Expectation("Register_TANH", (), "kernels/tanh.cc")}
    [kernel] = layer_kernels(elf, [(4, "TANH")], expected)
    assert kernel == LayerKernel(4, "tanh.cc (reference)", "TANH has a reference kernel only (tanh.cc)")


def test_moving_no_bytes_needs_no_kernel(tmp_path: Path) -> None:
    elf = image(
        tmp_path, "reference_convolve", "-mcpu=cortex-m4", "-Os", register="_ZN6tflite16Register_RESHAPEEv"
    )
    expected = {"RESHAPE": Expectation("Register_RESHAPE", (), "kernels/reshape.cc")}
    assert layer_kernels(elf, [(0, "RESHAPE")], expected)[0].problem == ""


def test_an_image_without_the_registration_is_an_error(tmp_path: Path) -> None:
    elf = image(tmp_path, "arm_convolve_s8", "-mcpu=cortex-m4", "-Os", register="something_else")
    with pytest.raises(ToolError, match="Register_CONV_2D_INT8 is not in the image"):
        layer_kernels(elf, [(0, "CONV_2D")], {"CONV_2D": EXPECTED})


def test_a_stripped_image_proves_nothing(tmp_path: Path) -> None:
    elf = image(tmp_path, "arm_convolve_s8", "-mcpu=cortex-m4", "-Os", "-s")
    with pytest.raises(ToolError, match="no symbols"):
        layer_kernels(elf, [(0, "CONV_2D")], {"CONV_2D": EXPECTED})


def test_no_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be read"):
        layer_kernels(tmp_path / "none.elf", [], {})
    (tmp_path / "text.elf").write_text("text")
    with pytest.raises(ToolError, match="no ELF image"):
        layer_kernels(tmp_path / "text.elf", [], {})


def test_reports_name_what_was_found() -> None:
    layers = describe_layers(tiny_plan())
    named = with_kernels(layers, [LayerKernel(layers[0].index, "arm_convolve_s8")])
    assert named == (replace(layers[0], kernel="arm_convolve_s8"), *layers[1:])


def test_strict_kernels_name_layer_reason_and_work() -> None:
    plan = tiny_plan()
    layer = plan.layers[0]
    require_fast(plan, [LayerKernel(0, "fast")])
    with pytest.raises(FitError) as caught:
        require_fast(
            plan, [LayerKernel(0, "tanh.cc (reference)", "TANH has a reference kernel only (tanh.cc)")]
        )
    assert caught.value.what == f"1 of {len(plan.layers)} layers run on reference kernels"
    assert f"layer 0 {layer.name}: TANH has a reference kernel only (tanh.cc)" in caught.value.why
    assert f"{layer.macs:,} MACs" in caught.value.why
    assert caught.value.exit_code == 5


def test_the_interpreter_calls_what_registrations_name(tmp_path: Path) -> None:
    """The functions of a registration, for those of the interpreter that the image has."""
    elf = image(
        tmp_path,
        "arm_convolve_s8",
        "-mcpu=cortex-m4",
        "-Os",
        elsewhere="sink += _ZN6tflite21MicroInterpreterGraph14InvokeSubgraphEi(&r);",
    )
    assert operator_calls(elf, ["Register_CONV_2D_INT8", "Register_UNUSED"]) == {
        "_ZN6tflite21MicroInterpreterGraph14InvokeSubgraphEi": ("eval", "prepare")
    }
