"""What every folder needs: errors, files, devices, versions, and the command lines' common part."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
