"""A regression with weights that nobody measured: what a layer takes differs by kind and by every feature."""

from micronets_gen.timing.regression import FEATURES, Regression


def first(*values: float) -> tuple[float, ...]:
    """Return cycles for the first features, 0 for the others."""
    return (*values, *[0.0] * (len(FEATURES) - len(values)))


INVENTED = Regression(
    runtime="aot",
    core="cortex-m4",
    family="stm32f4",
    board="nucleo_f446re",
    weights={
        "CONV_2D": first(1.75, 20.5, 2.25, 500.0, 600.0, 7.0, 3.5, 2.5, 1.5, 0.125, 0.75),
        "CONV_2D_1X1": first(2.0, 30.0, 5.5, 9.0, 14.0, 190.0, 0.0, 0.0, 0.0, 0.0, 0.5),
        "DEPTHWISE_CONV_2D_3X3": first(6.75, 11.0, 0.5, 340.0, 3.0, 11.0, 4.0, 2.75, 1.75, 0.375, 0.0),
        "AVERAGE_POOL_2D": first(0.0, 59.0, 2.5, 377.0, 5.0, 13.0),
        "MAX_POOL_2D": first(0.0, 40.0, 2.0, 300.0, 4.0, 9.0),
        "ADD": first(0.0, 26.0, 0.25, 1.0, 2.0, 97.0),
        "CONV_2D_FEW": first(1.25, 10.5, 2.0),
        "CONV_2D_1X1_FEW": first(1.5, 20.0, 3.0),
        "DEPTHWISE_CONV_2D": first(7.75, 10.0, 0.5, 300.0),
        "DEPTHWISE_CONV_2D_FEW": first(9.75, 12.0, 0.5, 310.0),
        "DEPTHWISE_CONV_2D_3X3_FEW": first(8.75, 10.0, 0.5, 300.0),
        "FULLY_CONNECTED_FEW": first(2.75, 60.0, 0.125, 200.0),
        "FULLY_CONNECTED": first(2.5, 67.0, 0.125, 245.0, 1.0, 5.0),
        "SOFTMAX": first(0.0, 130.0, 1.0, 250.0, 2.0, 3.0),
    },
    outside=1234.0,
    models=10,
    median_percent=1.0,
    worst_percent=5.0,
)
