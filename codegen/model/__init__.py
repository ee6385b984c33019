"""The ``.tflite`` file as a typed graph."""
