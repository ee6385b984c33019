"""What TFLM refuses is told before anything is built, and what is accepted runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.errors import ModelError
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.jobs.check import check_on_boards
from micronets_gen.jobs.execute import run_project
from micronets_gen.model.graph import DType, Padding
from micronets_gen.operators import Problem, operator_specs
from micronets_gen.operators.concat import ConcatenationOptions
from micronets_gen.operators.fully_connected import FullyConnectedOptions
from micronets_gen.operators.reading import read_model, read_model_bytes
from micronets_gen.operators.transpose_conv import TransposeConvOptions
from micronets_gen.plan.check import check_model
from micronets_gen.runtimes.choose import choose_for_model
from micronets_gen.runtimes.tflm.limits import KernelLimits, read_limits, refusals
from micronets_gen.runtimes.tflm.operators import Operand, Signature, scan_signatures
from micronets_gen.runtimes.tflm.runtime import TflmRuntime
from micronets_gen.runtimes.tflm.vendor import Vendor
from tests.support.builder import ModelBuilder
from tests.support.command import Cli
from tests.support.networks import random_network
from tests.tflm.trees import require_sources, small_trees

EVAL = """
TfLiteStatus Eval(TfLiteContext* context, TfLiteNode* node) {
  switch (input->type) {
    case kTfLiteInt8: {
      switch (filter->type) {
        case kTfLiteInt4:
          return EvalInt4(context);
        default:
          return kTfLiteError;
      }
    }
    case kTfLiteInt16:
      return EvalInt16(context);
    default:
      return kTfLiteError;
  }
}
"""
PREPARE = """
TfLiteStatus Prepare(TfLiteContext* context, TfLiteNode* node) {
  TF_LITE_ENSURE_MSG(context, IsConstantTensor(op_context.perm),
                      );
  if (input->type == kTfLiteFloat32 || output->type == kTfLiteFloat32) {
    return kTfLiteOk;
  }
}
"""
INT8 = Operand("INT8", 4, False)


def signature(kind: str, *inputs: Operand | None, output: Operand = INT8) -> Signature:
    return Signature(kind, inputs, (output,), 7, "result")


def reasons(use: Signature, limits: KernelLimits | None = None) -> list[str]:
    found = list(refusals(use, limits or KernelLimits(), "layer"))
    assert all(problem.layer == "layer" and "--runtime aot" in problem.remedy for problem in found)
    return [problem.reason for problem in found]


# --- reading kernels --------------------------------------------------------------------------------------


def test_types_are_those_of_the_switch_on_the_operand() -> None:
    assert read_limits("ANY", [EVAL], [EVAL]) == KernelLimits(inputs=frozenset({"INT8", "INT16"}))


def test_comparisons_add_to_a_switch_and_limit_nothing_alone() -> None:
    assert read_limits("ANY", [PREPARE], []).inputs == frozenset()
    both = read_limits("ANY", [EVAL, PREPARE], [])
    assert both.inputs == {"INT8", "INT16", "FLOAT32"}
    assert both.outputs == frozenset()


def test_a_chain_of_comparisons_limits_where_its_end_is_an_error() -> None:
    assert read_limits("AVERAGE_POOL_2D", [PREPARE], []).inputs == {"FLOAT32"}


def test_constants_and_the_number_of_inputs_are_read() -> None:
    limits = read_limits("ANY", [PREPARE], ["constexpr int kMaxInputNum = 10;"])
    assert (limits.constants, limits.most_inputs) == (frozenset({"perm"}), 10)


def test_names_of_operands_do_not_matter() -> None:
    for subject in ("input1->type", "op_context.input->type", "input_type", "input_tensor->type"):
        text = f"void F() {{\n  switch ({subject}) {{\n    case kTfLiteBool:\n      break;\n  }}\n}}"
        assert read_limits("ANY", [text], []).inputs == {"BOOL"}, subject


# --- refusing ---------------------------------------------------------------------------------------------


def test_types_that_no_branch_names_are_refused() -> None:
    limits = KernelLimits(inputs=frozenset({"INT8", "FLOAT32"}), outputs=frozenset({"INT8"}))
    use = signature("ANY", Operand("INT16", 1, False), output=Operand("INT64", 1, False))
    assert reasons(use, limits) == [
        "TFLM's kernel takes an input of float32 or int8, not int16",
        "TFLM's kernel takes an output of int8, not int64",
    ]
    assert reasons(signature("ANY", INT8), limits) == []


def test_the_data_of_split_is_its_second_input() -> None:
    limits = KernelLimits(inputs=frozenset({"INT8"}), constants=frozenset({"axis"}))
    axis = Operand("INT32", 0, True)
    assert reasons(signature("SPLIT", axis, INT8), limits) == []
    assert len(reasons(signature("SPLIT", Operand("INT32", 0, False), INT8), limits)) == 1


@pytest.mark.parametrize(("kind", "most"), [("TRANSPOSE", 4), ("PAD", 4), ("MAXIMUM", 4), ("ADD", 6)])
def test_dimensions_are_limited(kind: str, most: int) -> None:
    def use(rank: int) -> Signature:
        return signature(kind, Operand("INT8", rank, False), output=Operand("INT8", rank, False))

    assert reasons(use(most)) == []
    assert reasons(use(most + 1)) == [f"TFLM's kernel takes at most {most} dimensions, not {most + 1}"]


def test_a_narrow_bias_of_an_int16_layer_is_refused() -> None:
    data, weights = Operand("INT16", 2, False), Operand("INT8", 2, True)
    for kind in ("FULLY_CONNECTED", "DEPTHWISE_CONV_2D"):
        narrow = signature(kind, data, weights, Operand("INT32", 1, True))
        assert reasons(narrow) == ["CMSIS-NN's kernel for int16 reads a bias of int64, not int32"]
        assert reasons(signature(kind, data, weights, Operand("INT64", 1, True))) == []
        assert reasons(signature(kind, data, weights, None)) == []
    assert reasons(signature("CONV_2D", data, weights, Operand("INT32", 1, True))) == []


# --- models -----------------------------------------------------------------------------------------------


def relu(b: ModelBuilder, dtype: DType = DType.INT8) -> tuple[int, int]:
    x = b.tensor((1, 4, 4, 2), dtype, scale=0.5, name="image")
    y = b.tensor((1, 4, 4, 2), dtype, scale=0.5, name="rectified")
    b.operator("RELU", [x], [y])
    return x, y


def joins_eleven() -> bytes:
    b = ModelBuilder()
    x, y = relu(b)
    z = b.tensor((1, 4, 4, 22), DType.INT8, scale=0.5, name="joined")
    b.operator("CONCATENATION", [y] * 11, [z], ConcatenationOptions(3))
    return b.build(inputs=[x], outputs=[z])


def unused_type() -> bytes:
    b = ModelBuilder()
    x, y = relu(b, DType.INT16)
    z = b.tensor((1, 4, 4, 2), DType.INT16, scale=0.5, name="swished")
    b.operator("HARD_SWISH", [y], [z])
    return b.build(inputs=[x], outputs=[y])


def unused_shape() -> bytes:
    b = ModelBuilder()
    x, y = relu(b)
    z = b.tensor((4,), DType.INT64, name="sizes")
    b.operator("SHAPE", [y], [z])
    return b.build(inputs=[x], outputs=[y])


def deconvolution_without_bias() -> bytes:
    b = ModelBuilder()
    x, y = relu(b, DType.INT16)
    weights = b.constant([[[[1, 2]]], [[[3, 4]]]], DType.INT8, scale=[0.5, 0.25])
    z = b.tensor((1, 4, 4, 2), DType.INT16, scale=0.5, name="spread")
    shape = b.constant([1, 4, 4, 2])
    b.operator("TRANSPOSE_CONV", [shape, weights, y], [z], TransposeConvOptions(Padding.SAME, 1, 1))
    return b.build(inputs=[x], outputs=[z])


def dense_with_narrow_bias() -> bytes:
    b = ModelBuilder()
    x = b.tensor((1, 4), DType.INT16, scale=0.5, name="samples")
    weights = b.constant([[1, 2, 3, 4]], DType.INT8, scale=0.5)
    z = b.tensor((1, 1), DType.INT16, scale=0.5, name="score")
    b.operator("FULLY_CONNECTED", [x, weights, b.constant([5], scale=0.25)], [z], FullyConnectedOptions())
    return b.build(inputs=[x], outputs=[z])


REFUSED_BY_ALL = {
    joins_eleven: ("joined (CONCATENATION)", "at most 10 inputs, not 11"),
    unused_type: ("swished (HARD_SWISH)", "an input of float32 or int8, not int16"),
    unused_shape: ("sizes (SHAPE)", "an output of int32, not int64"),
}
"""TFLM refuses these with any kernels: layer and reason."""
REFUSED = {
    **REFUSED_BY_ALL,
    deconvolution_without_bias: ("spread (TRANSPOSE_CONV)", "a bias that is not there"),
    dense_with_narrow_bias: ("score (FULLY_CONNECTED)", "a bias of int64"),
}


@pytest.fixture(scope="module")
def runtime() -> TflmRuntime:
    return TflmRuntime(require_sources())


def problems(runtime: TflmRuntime, model: bytes) -> tuple[Problem, ...]:
    return runtime.problems(read_model_bytes(model, "model"))


@pytest.mark.parametrize("model", REFUSED)
def test_what_tflm_refuses_is_told(runtime: TflmRuntime, model: Callable[[], bytes]) -> None:
    assert not check_model(read_model_bytes(model(), "model"))
    (problem,) = problems(runtime, model())
    layer, reason = REFUSED[model]
    assert problem.layer == layer
    assert reason in problem.reason
    assert "--runtime aot" in problem.remedy


@pytest.mark.parametrize("model", REFUSED_BY_ALL)
def test_tflm_itself_refuses_it(tmp_path: Path, model: Callable[[], bytes]) -> None:
    pytest.importorskip("tflite_micro", reason="TFLM for the host is not installed")
    file = tmp_path / "model.tflite"
    file.write_bytes(model())
    # Some refusals end the process.
    program = (
        "import sys, numpy as np\n"
        "from tflite_micro.python.tflite_micro import runtime\n"
        "r = runtime.Interpreter.from_bytes(open(sys.argv[1], 'rb').read(), arena_size=1 << 20)\n"
        "detail = r.get_input_details(0)\n"
        "r.set_input(np.zeros(detail['shape'], detail['dtype']), 0)\n"
        "r.invoke()\n"
        "print('done')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, file], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "done" not in done.stdout


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
def test_random_networks_are_accepted(runtime: TflmRuntime, dtype: DType) -> None:
    for seed in range(30):
        assert problems(runtime, random_network(seed, dtype, 1).model) == (), seed


@pytest.mark.needs("c++", "qemu")
@pytest.mark.parametrize(("seed", "dtype"), [(3, DType.INT8), (4, DType.INT16)])
def test_what_is_accepted_runs(runtime: TflmRuntime, tmp_path: Path, seed: int, dtype: DType) -> None:
    file = tmp_path / "network.tflite"
    file.write_bytes(random_network(seed, dtype, 1).model)
    assert problems(runtime, file.read_bytes()) == ()
    request = BuildRequest("qemu_mps2_an386", str(file), "tflm", tmp_path / "project", vector_count=2)
    result = run_project(build(request).project).run
    assert result is not None
    assert result.passed


def test_every_operator_of_the_generator_has_a_kernel() -> None:
    vendor = Vendor(require_sources())
    limits = {kind: vendor.limits(kind) for kind in operator_specs()}
    assert [kind for kind, found in limits.items() if found is None] == []
    typed = [kind for kind, found in limits.items() if found and (found.inputs or found.outputs)]
    # The others move bytes, whatever they are.
    assert set(limits) - set(typed) <= {"RESHAPE", "SQUEEZE"}
    assert all(
        "INT8" in (found.inputs | found.outputs) for k, found in limits.items() if found and k in typed
    )


def test_operators_are_looked_up_in_the_sources_at_hand(tmp_path: Path) -> None:
    found = problems(TflmRuntime(small_trees(tmp_path)), joins_eleven())
    assert [problem.layer for problem in found] == ["rectified (RELU)", "joined (CONCATENATION)"]
    assert "no kernel for it at the commit in use" in found[0].reason


def test_signatures_name_every_tensor() -> None:
    *_, last = scan_signatures(dense_with_narrow_bias(), "m")
    assert last.inputs == (Operand("INT16", 2, False), Operand("INT8", 2, True), Operand("INT32", 1, True))
    assert (last.kind, last.name, last.outputs) == ("FULLY_CONNECTED", "score", (Operand("INT16", 2, False),))


# --- verbs ------------------------------------------------------------------------------------------------


def test_build_and_check_say_the_same(runtime: TflmRuntime, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(joins_eleven())
    (expected,) = problems(runtime, joins_eleven())
    board = load_board("qemu_mps2_an386")
    graph = read_model_bytes(joins_eleven(), "model")
    result = check_on_boards(graph, [board], "tflm")
    assert (result.runtime, result.problems, result.boards) == ("tflm", (expected,), ())
    assert check_on_boards(graph, [board]).passed
    with pytest.raises(ModelError, match="cannot be executed") as caught:
        build(BuildRequest(board.name, str(file), "tflm", tmp_path / "project"))
    assert expected.reason in caught.value.why
    assert not (tmp_path / "project").exists()


def test_check_counts_the_file_and_the_predicted_arena(runtime: TflmRuntime) -> None:
    """What fits is judged by the file in flash, and by the arena that the board's instructions need."""
    graph = read_model(resolve_model("digits").path)
    boards = [load_board(name) for name in ("qemu_mps2_an386", "qemu_mps3_an547")]
    for board, fit in zip(boards, check_on_boards(graph, boards, "tflm").boards, strict=True):
        plan = runtime.plan(graph, board, "digits")
        used = {use.kind: use.used for use in fit.regions}
        assert fit.fits
        assert used["flash"] > graph.file_bytes
        assert plan.memory.size < used["ram"] < plan.memory.size + 8192


def test_every_board_holds_the_default_model(runtime: TflmRuntime) -> None:
    fits = check_on_boards(read_model(resolve_model().path), load_boards(), runtime.name).boards
    assert len(fits) >= 10
    assert all(fit.fits for fit in fits)


def test_check_verb_without_sources_says_how_to_get_them(cli: Cli, no_sources: None) -> None:
    done = cli("check", "digits", "--runtime", "tflm")
    assert (done.status, done.out) == (6, "")
    assert "--runtime aot" in done.err
    assert cli("check", "digits", "--json").json["runtime"] == "aot"


def test_check_verb_names_what_tflm_refuses(cli: Cli, tmp_path: Path, runtime: TflmRuntime) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(joins_eleven())
    done = cli("check", file, "--runtime", "tflm", "--json")
    assert (done.status, done.json["runtime"], done.json["boards"]) == (1, "tflm", [])
    assert [problem["layer"] for problem in done.json["problems"]] == ["joined (CONCATENATION)"]
    assert cli("check", file, "--board", "qemu_mps2_an386").status == 0


def test_auto_takes_aot_for_what_tflm_refuses() -> None:
    require_sources()
    choice = choose_for_model(read_model_bytes(joins_eleven(), "model"), "auto")
    assert choice.runtime.name == "aot"
    assert choice.reason.startswith("not tflm: ")
