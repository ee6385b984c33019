"""Which operators a file asks for, and which registrations execute them."""

from __future__ import annotations

import pytest

from micronets_gen.errors import ModelError
from micronets_gen.runtimes.tflm.cpp import Source
from micronets_gen.runtimes.tflm.operators import OperatorUse, scan_operators
from micronets_gen.runtimes.tflm.resolver import Entry, Method, choose_entries, parse_methods
from tests.support.builder import ModelBuilder
from tests.support.paths import shared_model
from tests.tflm.trees import RESOLVER, require_sources

METHODS = parse_methods(Source(RESOLVER))
DEFINED = {"Register_CONV_2D", "Register_CONV_2D_INT8", "Register_RESHAPE", "Register_SPLIT"}


def conv(activation: str, weights: str = "INT8", output: str | None = None) -> OperatorUse:
    return OperatorUse("CONV_2D", activation, weights, output or activation, 3)


def test_methods_are_read_from_the_header_without_custom_operators() -> None:
    assert {
        "CONV_2D": Method("AddConv2D", "CONV_2D", "Register_CONV_2D", True),
        "RESHAPE": Method("AddReshape", "RESHAPE", "Register_RESHAPE", True),
        "SPLIT": Method("AddSplit", "SPLIT", "Register_SPLIT", False),
    } == METHODS


@pytest.mark.parametrize(
    ("uses", "registration"),
    [
        ([conv("INT8")], "Register_CONV_2D_INT8"),
        ([conv("INT8"), conv("INT8")], "Register_CONV_2D_INT8"),
        ([conv("INT8"), conv("INT16")], "Register_CONV_2D"),
        ([conv("INT16")], "Register_CONV_2D"),
        ([conv("INT8", "INT4")], "Register_CONV_2D"),
        ([conv("INT8", output="INT16")], "Register_CONV_2D"),
    ],
)
def test_a_registration_of_its_own_is_taken_where_all_types_agree(
    uses: list[OperatorUse], registration: str
) -> None:
    [entry] = choose_entries(uses, METHODS, DEFINED, "m")
    assert entry == Entry("CONV_2D", "AddConv2D", registration, registration != "Register_CONV_2D")


@pytest.mark.parametrize(
    ("use", "suffix"),
    [
        (conv("INT8", "INT4"), "INT4"),
        (conv("INT8", output="INT16"), "INT8_INT16"),
        (conv("INT16"), "INT16"),
    ],
)
def test_names_tell_types_apart_as_upstream_does(use: OperatorUse, suffix: str) -> None:
    [entry] = choose_entries([use], METHODS, {*DEFINED, f"Register_CONV_2D_{suffix}"}, "m")
    assert entry.registration == f"Register_CONV_2D_{suffix}"


def test_a_method_without_parameter_is_left_as_it_is() -> None:
    use = OperatorUse("SPLIT", "INT8", "", "INT8", 1)
    [entry] = choose_entries([use], METHODS, {*DEFINED, "Register_SPLIT_INT8"}, "m")
    assert entry == Entry("SPLIT", "AddSplit", "Register_SPLIT", False)


def test_entries_are_in_order_of_name_once_each() -> None:
    reshape = OperatorUse("RESHAPE", "INT8", "", "INT8", 1)
    entries = choose_entries([reshape, conv("INT8"), reshape], METHODS, DEFINED, "m")
    assert [entry.kind for entry in entries] == ["CONV_2D", "RESHAPE"]


def test_operators_without_a_kernel_are_named() -> None:
    uses = [OperatorUse(kind, "INT8", "", "INT8", 1) for kind in ("TILE", "RESHAPE", "GELU")]
    with pytest.raises(ModelError, match=r"has no kernel for GELU, TILE\n") as caught:
        choose_entries(uses, METHODS, DEFINED, "m")
    assert "--runtime aot" in caught.value.remedy


def test_a_declared_operator_without_source_counts_as_missing() -> None:
    with pytest.raises(ModelError, match="no kernel for CONV_2D"):
        choose_entries([conv("INT8")], METHODS, {"Register_CONV_2D_INT8"}, "m")


def model() -> bytes:
    """Quantise int16 to int8, convolve, and take the shape of the result, which nothing uses."""
    b = ModelBuilder()
    x = b.tensor((1, 4, 4, 2), "int16", scale=0.5)
    y = b.tensor((1, 4, 4, 2), "int8", scale=0.25)
    w = b.constant([[[[1, 2]]], [[[3, 4]]]], "int8", scale=[0.5, 0.25])
    bias = b.constant([1, 2], "int32", scale=[0.125, 0.0625])
    z = b.tensor((1, 4, 4, 2), "int8", scale=0.5)
    shape = b.tensor((4,), "int32")
    b.operator("QUANTIZE", [x], [y])
    b.operator("CONV_2D", [y, w, bias], [z])
    b.operator("SHAPE", [z], [shape])
    return b.build(inputs=[x], outputs=[z])


def test_operators_are_those_of_the_file_in_its_order() -> None:
    assert scan_operators(model(), "m.tflite") == (
        OperatorUse("QUANTIZE", "INT16", "", "INT8", 1),
        OperatorUse("CONV_2D", "INT8", "INT8", "INT8", 4),
        OperatorUse("SHAPE", "INT8", "", "INT32", 5),
    )


def test_a_file_that_is_no_model_is_refused() -> None:
    with pytest.raises(ModelError, match=r"not a \.tflite file"):
        scan_operators(b"\x00" * 64, "m.tflite")


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant", "ad01_int8"])
def test_real_models_get_registrations_of_their_type(name: str) -> None:
    from micronets_gen.runtimes.tflm.vendor import Vendor

    path = shared_model(name)
    operators = Vendor(require_sources()).collect(scan_operators(path.read_bytes(), name), name).operators
    general = {kernel.entry.kind for kernel in operators if not kernel.entry.specialised}
    assert general <= {"RESHAPE"}
    assert {kernel.entry.kind for kernel in operators if not kernel.optimised} <= {"RESHAPE"}
