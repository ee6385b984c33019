"""Every operator has every facet, or says why not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from benchmarks.code_sizes import KERNEL
from micronets_gen.common.registry import Registry
from micronets_gen.common.resources import data_dir
from micronets_gen.errors import ModelError
from micronets_gen.model.graph import DType, Graph
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OPERATORS, NoReference, OperatorSpec, no_macs, operator_specs, register
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.reference import evaluate
from micronets_gen.runtimes.aot.registry import LOWERINGS
from micronets_gen.runtimes.aot.runtime import AotRuntime
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd
from micronets_gen.runtimes.tflm.arena.kernels import ARENA_REQUESTS, Target, requests_of
from micronets_gen.runtimes.tflm.arena.model import read_model
from tests.support.builder import ModelBuilder

ROOT = Path(__file__).resolve().parents[2]
KINDS = tuple(operator_specs())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("facets", [LOWERINGS, ARENA_REQUESTS], ids=["lowering", "arena requests"])
def test_an_operator_has_a_facet_or_says_why_not(kind: str, facets: Registry[object]) -> None:
    assert kind in facets.entries() or facets.why_not(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_is_complete(kind: str) -> None:
    spec = operator_specs()[kind]
    assert spec.kind == kind
    inputs = spec.schema.inputs
    assert inputs
    assert len(set(inputs)) == len(inputs)
    named = {*spec.schema.optional, *spec.in_place, spec.schema.shape} - {""}
    assert named <= set(inputs)
    # What has a filter multiplies and accumulates.
    assert ("filter" in inputs) == (spec.macs is not no_macs)


def lacking(schema: OperatorSchema) -> set[str]:
    """Return the options that the schema's table of an operator does not have."""
    table = getattr(import_module(f"tflite.{schema.table_name}"), schema.table_name)
    return {name for name, read in schema.readings.items() if not hasattr(table, read.name)}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if operator_specs()[kind].schema.table_name])
def test_options_are_fields_of_the_schemas_table(kind: str) -> None:
    schema = operator_specs()[kind].schema
    required = {f.name for f in fields(schema.options) if f.default is MISSING}
    assert not lacking(schema) & required
    # One dataclass may serve several tables, of which one lacks a field, but not all.
    alike = (s.schema for s in operator_specs().values() if s.schema.options is schema.options)
    assert not set.intersection(*map(lacking, alike))


def test_nothing_is_said_of_an_operator_that_has_no_record() -> None:
    assert set(LOWERINGS.entries()) <= set(KINDS)
    # Its result may be unused: the interpreter prepares it all the same.
    assert set(ARENA_REQUESTS.entries()) - set(KINDS) == {"SHAPE"}


def test_the_code_size_of_every_kernel_is_recorded() -> None:
    """Without it nothing knows what fits; ``python -m benchmarks.code_sizes`` records it."""
    folder = data_dir("templates") / "aot"
    headers = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("mn_*.h")}
    kernels = {name: set(KERNEL.findall(text)) for name, text in headers.items()}
    recorded = json.loads((folder / "code_sizes.json").read_text(encoding="utf-8"))["sizes"]
    everywhere = set().union(*(found for name, found in kernels.items() if not name.endswith("_mve.h")))
    assert set(recorded["c"]) == set(recorded["dsp"]) == everywhere
    assert set(recorded["mve"]) == set().union(*kernels.values())


def test_readme_lists_the_operators() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.search(r"Operators:\n([A-Z0-9_,\s]+)\.", text)
    assert listed is not None
    assert sorted(re.findall(r"\w+", listed[1])) == sorted(KINDS)


def test_a_registry_takes_a_name_once_and_is_restored() -> None:
    registry: Registry[int] = Registry("number")
    registry.add("one", 1)
    registry.lacks("two", because="it is even")
    with registry.restored():
        registry.add("three", 3)
        assert dict(registry.entries()) == {"one": 1, "three": 3}
    assert (dict(registry.entries()), registry.why_not("two")) == ({"one": 1}, "it is even")
    for name in ("one", "two"):
        with pytest.raises(ValueError, match=f"{name} has its number already"):
            registry.add(name, 4)


def test_a_registry_is_not_read_while_a_module_of_it_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "toys_of_a_registry"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "broken.py").write_text("raise ImportError('not yet')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[int] = Registry("number", "toys_of_a_registry")
    for _ in range(2):
        with pytest.raises(ImportError, match="not yet"):
            registry.entries()


# --- what a runtime lacks is said in its own words ---------------------------------------------------------


def negation() -> bytes:
    b = ModelBuilder("negation")
    x, y = (b.tensor((1, 4), DType.INT8, scale=0.5) for _ in range(2))
    b.operator("NEG", [x], [y])
    return b.build()


@pytest.fixture
def bare_operator() -> Iterator[Graph]:
    """A graph of an operator that has a record, and nothing else."""
    with OPERATORS.restored(), LOWERINGS.restored(), ARENA_REQUESTS.restored():
        nothing = NoReference("nobody needs it")
        register(OperatorSpec("NEG", OperatorSchema(("input",)), lambda _graph, _op: [], nothing))
        LOWERINGS.lacks("NEG", because="it would be a kernel of one line")
        ARENA_REQUESTS.lacks("NEG", because="it was not measured")
        yield read_model_bytes(negation(), "negation.tflite")


def test_a_missing_kernel_is_a_problem_with_its_reason(bare_operator: Graph) -> None:
    (problem,) = AotRuntime().problems(bare_operator)
    assert (problem.layer, problem.reason, problem.remedy) == (
        "t1 (NEG)",
        "aot has no kernel for it: it would be a kernel of one line",
        "build with --runtime tflm",
    )


def test_a_missing_reference_says_why(bare_operator: Graph) -> None:
    with pytest.raises(ModelError, match="there is no reference for NEG") as caught:
        evaluate(bare_operator, [np.zeros((1, 4), np.int8)])
    assert (caught.value.where, caught.value.why) == ("negation: t1 (NEG)", "nobody needs it")


def test_missing_arena_requests_say_why(bare_operator: Graph) -> None:
    model = read_model(negation(), "negation")
    with pytest.raises(ModelError, match="arena NEG takes is not known") as caught:
        requests_of(model, model.nodes[0], Target(Simd.DSP))
    assert caught.value.why == "it was not measured"


def test_the_record_is_gone_after_the_test() -> None:
    assert "NEG" not in operator_specs()
    with pytest.raises(ModelError, match="unsupported operator: NEG"):
        read_model_bytes(negation(), "negation.tflite")


def test_options_are_read_by_the_names_and_types_of_their_fields() -> None:
    schema = operator_specs()["CONV_2D"].schema
    assert {name: read.name for name, read in schema.readings.items()} == {
        "padding": "Padding",
        "stride_h": "StrideH",
        "stride_w": "StrideW",
        "dilation_h": "DilationHFactor",
        "dilation_w": "DilationWFactor",
        "activation": "FusedActivationFunction",
    }
