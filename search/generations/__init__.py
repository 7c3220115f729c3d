"""A search in budgets: generations of whole runs, and the race of the best for the first place."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
