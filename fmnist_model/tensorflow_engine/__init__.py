"""The TensorFlow engine: one trial after the other, one compiled program for each network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
