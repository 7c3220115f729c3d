"""A study and its trials: what is kept of them, which are lost, and how they leave."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
