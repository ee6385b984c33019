"""The two runtimes: ``aot`` (C generated for the one model) and ``tflm`` (TensorFlow Lite Micro)."""
