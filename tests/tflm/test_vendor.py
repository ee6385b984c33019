"""Which files travel with a project, found in the sources themselves."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from micronets_gen.errors import ToolError
from micronets_gen.operators import operator_specs
from micronets_gen.runtimes.tflm.cpp import Source, Tree, reachable
from micronets_gen.runtimes.tflm.notices import notices
from micronets_gen.runtimes.tflm.operators import OperatorUse, scan_operators
from micronets_gen.runtimes.tflm.sources import SourcesModified
from micronets_gen.runtimes.tflm.vendor import OPTIMISED, Vendor
from tests.support.paths import shared_model
from tests.tflm.trees import require_sources, small_checkout, small_trees

CONV = OperatorUse("CONV_2D", "INT8", "INT8", "INT8", 1)
RESHAPE = OperatorUse("RESHAPE", "INT8", "", "INT8", 1)
MICRO = "tensorflow/lite/micro"


@pytest.fixture
def vendor(tmp_path: Path) -> Vendor:
    return Vendor(small_trees(tmp_path))


def test_the_kernel_of_cmsis_nn_takes_the_place_of_the_reference(vendor: Vendor) -> None:
    kernels = vendor.collect([CONV], "m").kernels
    assert list(kernels) == [f"{MICRO}/kernels/cmsis_nn/conv.cc", f"{MICRO}/kernels/conv_common.cc"]


def test_a_reference_kernel_comes_where_there_is_no_other(vendor: Vendor) -> None:
    files = vendor.collect([RESHAPE], "m")
    assert list(files.kernels) == [f"{MICRO}/kernels/reshape.cc"]
    assert not files.cmsis_nn
    [kernel] = files.operators
    assert not kernel.optimised


def test_the_interpreter_comes_with_what_lies_beside_its_headers(vendor: Vendor) -> None:
    core = vendor.collect([RESHAPE], "m").core
    assert [path.removeprefix(f"{MICRO}/") for path in core] == [
        "debug_log.h",
        "helpers.cc",
        "helpers.h",
        # The resolver includes it; that alone brings no kernel.
        "kernels/conv.h",
        "kernels/micro_ops.h",
        "micro_interpreter.cc",
        "micro_interpreter.h",
        "micro_mutable_op_resolver.h",
    ]


def test_functions_of_other_types_stay_away(vendor: Vendor) -> None:
    files = vendor.collect([CONV], "m")
    assert [path for path in files.cmsis_nn if path.endswith(".c")] == [
        "Source/Convolution/arm_convolve_s8.c",
        "Source/Support/arm_multiply.c",
        "Source/Support/tables.c",
    ]
    assert files.operators[0].functions == ("arm_convolve_s8",)
    assert files.operators[0].header == f"{MICRO}/kernels/conv.h"


def test_mixed_types_bring_both(vendor: Vendor) -> None:
    files = vendor.collect([CONV, OperatorUse("CONV_2D", "INT16", "INT8", "INT16", 2)], "m")
    assert files.operators[0].functions == ("arm_convolve_s16", "arm_convolve_s8")
    assert "Source/Convolution/arm_convolve_s16.c" in files.cmsis_nn


def test_a_registration_that_no_header_declares_is_left_alone(vendor: Vendor) -> None:
    files = vendor.collect([OperatorUse("CONV_2D", "INT16", "INT8", "INT16", 2)], "m")
    assert files.operators[0].entry.registration == "Register_CONV_2D"


def test_headers_come_by_inclusion(vendor: Vendor) -> None:
    files = vendor.collect([CONV], "m")
    assert [path for path in files.cmsis_nn if path.endswith(".h")] == [
        "Include/Internal/config.h",
        "Include/arm_nn_types.h",
        "Include/arm_nnfunctions.h",
    ]
    assert list(files.third_party) == [
        "flatbuffers/include/flatbuffers/base.h",
        "flatbuffers/include/flatbuffers/flatbuffers.h",
    ]


def test_another_folder_is_refused(tmp_path: Path) -> None:
    trees = small_trees(tmp_path)
    other = trees.checkouts["ruy"]
    trees = replace(trees, checkouts={**trees.checkouts, "tflm": other})
    with pytest.raises(ToolError, match="not the sources of TensorFlow Lite Micro"):
        Vendor(trees).collect([CONV], "m")


def test_an_edited_kernel_is_refused_and_the_cache_is_blamed(tmp_path: Path) -> None:
    trees = small_trees(tmp_path)
    kernel = trees.tflm / OPTIMISED / "conv.cc"
    kernel.write_text(kernel.read_text().replace("arm_convolve_s8", "my_convolve"))
    with pytest.raises(SourcesModified, match=r"the cache was changed: .*cmsis_nn/conv\.cc") as caught:
        Vendor(trees).collect([CONV], "m")
    assert caught.value.where == str(kernel)
    assert "fetch --repair" in caught.value.remedy


@pytest.mark.parametrize(
    ("key", "path"), [("tflm", f"{OPTIMISED}/conv.cc"), ("cmsis_nn", "Source/Convolution/arm_convolve_s8.c")]
)
def test_a_deleted_kernel_does_not_make_a_slow_one_take_its_place(
    tmp_path: Path, key: str, path: str
) -> None:
    trees = small_trees(tmp_path)
    (tmp_path / key / path).unlink()
    with pytest.raises(SourcesModified, match="the cache was changed") as caught:
        Vendor(trees).collect([CONV], "m")
    assert caught.value.why == "No such file or directory"


def test_files_that_were_added_to_the_cache_are_not_taken(tmp_path: Path) -> None:
    before = Vendor(small_trees(tmp_path)).collect([RESHAPE], "m")
    trees = small_trees(tmp_path / "again")
    (trees.tflm / OPTIMISED / "reshape.cc").write_text(
        "TFLMRegistration Register_RESHAPE() {\n  return R(My);\n}\n"
    )
    assert Vendor(trees).collect([RESHAPE], "m") == before


def test_an_edited_licence_is_refused(tmp_path: Path) -> None:
    trees = small_trees(tmp_path)
    (trees.tflm / "LICENSE").write_text("all rights reserved\n")
    with pytest.raises(SourcesModified):
        notices(trees)


def test_licences_travel_with_what_they_cover(tmp_path: Path) -> None:
    texts, overview = notices(small_trees(tmp_path))
    assert texts["tflm"] == {"LICENSE": "the licence\n"}
    assert "lib/tflm/LICENSE" in overview
    assert "https://github.com/ARM-software/CMSIS-NN" in overview


def test_definitions_are_told_from_declarations_and_comments() -> None:
    source = Source(
        "int declared(int x);\n"
        "/* int commented(int x) { */\n"
        "#define MACRO(x) \\\n  int macro(x) {\n"
        "static inline int local(void) { return one(); }\n"
        '__attribute__((weak)) const int *spread(\n    int x,\n    int y)\n{\n    return two("three()", \'"\');\n}\n'
        "const int table[2] = {four, five};\n"
        "int table_only_declared[2];\n"
    )
    assert [(d.name, d.local) for d in source.definitions] == [
        ("local", True),
        ("spread", False),
        ("table", False),
    ]
    words = {d.name: d.words for d in source.definitions}
    assert "one" in words["local"]
    assert "two" not in words["local"]
    assert "two" in words["spread"]
    assert "three" not in words["spread"]
    assert {"four", "five"} <= words["table"]


def test_a_name_means_the_definition_in_its_own_file() -> None:
    start = "int start(int x)\n{\n    return help(x);\n}\n"
    files = {
        "a.c": Source("static int help(int x)\n{\n    return near(x);\n}\n" + start),
        "b.c": Source("int help(int x)\n{\n    return far(x);\n}\n"),
        "c.c": Source("static int near(int x)\n{\n    return x;\n}\n"),
    }
    reached, words = reachable(["start"], files)
    assert reached == {"a.c"}
    assert "near" in words
    assert "far" not in words


def test_an_include_is_looked_for_beside_the_file_first(tmp_path: Path) -> None:
    for name in ("x/a.h", "x/b.h", "b.h", "include/c.h"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    tree = Tree(small_checkout(tmp_path), ("", "include"))
    assert tree.resolve("b.h", "x/a.h") == "x/b.h"
    assert tree.resolve("../b.h", "x/a.h") == "b.h"
    assert tree.resolve("c.h", "x/a.h") == "include/c.h"
    assert tree.resolve("../../outside.h", "x/a.h") is None


def test_real_sources_give_the_same_files_quickly() -> None:
    trees = require_sources()
    uses = scan_operators(shared_model("kws_ref_model").read_bytes(), "kws")
    start = time.process_time()
    files = Vendor(trees).collect(uses, "kws")
    assert time.process_time() - start < 2
    again = Vendor(trees).collect(uses, "kws")
    assert files == again
    assert f"{MICRO}/kernels/cmsis_nn/conv.cc" in files.kernels
    assert f"{MICRO}/kernels/conv.cc" not in files.kernels
    assert not [path for path in (*files.core, *files.kernels, *files.cmsis_nn) if "test" in path]
    assert not [path for path in files.cmsis_nn if path.endswith(("_f32.c", "_f16.c"))]
    assert len([path for path in files.cmsis_nn if path.endswith(".c")]) < 60


@pytest.mark.parametrize("kind", operator_specs())
def test_every_operator_of_the_generator_has_a_kernel(kind: str) -> None:
    files = Vendor(require_sources()).collect([OperatorUse(kind, "INT8", "", "INT8", 1)], "m")
    [kernel] = files.operators
    assert kernel.file in files.kernels
