"""The TensorFlow engine: one trial after the other, one compiled program for each network."""
