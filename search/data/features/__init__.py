"""Features of sound: exact definitions, numpy references and the same computation in TensorFlow."""
