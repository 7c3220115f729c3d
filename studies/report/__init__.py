"""The report of a study: what it found, what to do next, and how the winner was judged."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
