"""The report of a study: its summary, advice on what to do next, and the final evaluation."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
