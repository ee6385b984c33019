"""The operators that compute on quantised values, as generated C on the targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from micronets_gen.model.graph import Array
from tests.operators.native import Sample, deployable, evaluate
from tests.operators.quantized_cases import CASES
from tests.support.harness import run_many

pytestmark = pytest.mark.needs("gcc", "compiler", "qemu")

one_batch = settings(
    derandomize=True,
    deadline=None,
    max_examples=2,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def _as_model(sample: Sample) -> tuple[bytes, list[list[Array]]]:
    # Floats and uint8 go no further than the operator at the border: no reshape in front of it.
    if sample.inputs[0].dtype in (np.float32, np.uint8):
        return sample.builder.build(), [list(sample.inputs)]
    return deployable(sample)


@pytest.mark.parametrize("target", ["host", "m4", "m55"])
@one_batch
@given(data=st.data())
def test_generated_c(target: str, data: st.DataObject) -> None:
    samples: list[Sample] = [data.draw(kind) for kind in CASES.values() for _ in range(3)]
    results = run_many(target, [_as_model(s) for s in samples])
    for sample, (outputs,) in zip(samples, results, strict=True):
        for found, expected in zip(outputs, evaluate(sample), strict=True):
            np.testing.assert_array_equal(found, expected)
