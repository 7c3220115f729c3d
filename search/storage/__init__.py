"""Optuna's storage: how databases are opened, read and written. Its private names stay here."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
