"""One training run of any engine: what it asks of the engine, and what it tells. NumPy only."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
