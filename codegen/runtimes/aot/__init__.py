"""The ``aot`` runtime: each operator becomes calls of small C kernels with constant parameters."""
