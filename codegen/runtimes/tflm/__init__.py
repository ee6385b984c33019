"""The ``tflm`` runtime: TensorFlow Lite Micro's interpreter with the kernels of CMSIS-NN."""
