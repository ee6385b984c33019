"""The operators that move elements, and transposed convolution, as generated C on the targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.operators.native import Sample, deployable, evaluate
from tests.operators.test_concat import concatenations, packs
from tests.operators.test_pad import pads
from tests.operators.test_resize import resizes
from tests.operators.test_shape import expansions, reshapes
from tests.operators.test_slice import slices, splits, strided_slices
from tests.operators.test_transpose import transposes
from tests.operators.test_transpose_conv import int8_samples, int16_samples
from tests.support.harness import run_many

pytestmark = pytest.mark.needs("gcc", "compiler", "qemu")

FAMILIES = (
    reshapes(),
    expansions(squeeze=False),
    expansions(squeeze=True),
    concatenations(),
    packs(),
    pads(),
    transposes(),
    slices(),
    strided_slices(),
    splits(),
    resizes(),
    int8_samples,
    int16_samples,
)


def _quantized(sample: Sample) -> bool:
    # A model of nothing but floats is refused as a whole.
    return all(value.dtype != np.float32 for value in sample.inputs)


# A batch is linked as one program: its models grow together, in one example.
one_batch = settings(
    derandomize=True,
    deadline=None,
    max_examples=2,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("target", ["host", "m4", "m55"])
@one_batch
@given(data=st.data())
def test_generated_c(target: str, data: st.DataObject) -> None:
    samples: list[Sample] = [data.draw(family.filter(_quantized)) for family in FAMILIES for _ in range(5)]
    results = run_many(target, [deployable(s) for s in samples])
    for sample, (outputs,) in zip(samples, results, strict=True):
        for found, expected in zip(outputs, evaluate(sample), strict=True):
            np.testing.assert_array_equal(found, expected)
