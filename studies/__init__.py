"""The questions asked, and what was found: reads databases, never imports TensorFlow."""
