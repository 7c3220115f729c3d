"""Figures of a study: for each a function that returns its data and one that draws it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
