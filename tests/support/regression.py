"""A regression with weights that nobody measured: what a layer takes differs by kind and by every feature."""

from micronets_gen.timing.regression import Regression

NO_WINDOW = (0.0, 0.0, 0.0, 0.0, 0.0)
"""Of layers that have none."""

INVENTED = Regression(
    runtime="aot",
    core="cortex-m4",
    family="stm32f4",
    board="nucleo_f446re",
    weights={
        "CONV_2D": (1.75, 20.5, 2.25, 500.0, 600.0, 7.0, 3.5, 2.5, 1.5, 0.125, 0.75),
        "CONV_2D_1X1": (2.0, 30.0, 5.5, 9.0, 14.0, 190.0, 0.0, 0.0, 0.0, 0.0, 0.5),
        "DEPTHWISE_CONV_2D": (6.75, 11.0, 0.5, 340.0, 3.0, 11.0, 4.0, 2.75, 1.75, 0.375, 0.0),
        "AVERAGE_POOL_2D": (0.0, 59.0, 2.5, 377.0, 5.0, 13.0, *NO_WINDOW),
        "MAX_POOL_2D": (0.0, 40.0, 2.0, 300.0, 4.0, 9.0, *NO_WINDOW),
        "ADD": (0.0, 26.0, 0.25, 1.0, 2.0, 97.0, *NO_WINDOW),
        "FULLY_CONNECTED": (2.5, 67.0, 0.125, 245.0, 1.0, 5.0, *NO_WINDOW),
        "SOFTMAX": (0.0, 130.0, 1.0, 250.0, 2.0, 3.0, *NO_WINDOW),
    },
    outside=1234.0,
    models=10,
    median_percent=1.0,
    worst_percent=5.0,
)
