"""micronets-gen: from a quantised ``.tflite`` model to Cortex-M firmware that proves itself."""

__version__ = "0.1.0"
