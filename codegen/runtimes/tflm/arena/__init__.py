"""How large TFLM's arena must be: predicted, measured, and laid out better where that is possible."""
