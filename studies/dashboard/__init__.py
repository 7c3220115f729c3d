"""optuna-dashboard, served to this machine, with notes on what the diagnosis found."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
