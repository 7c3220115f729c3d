"""From evidence to diagnosis: is a run healthy, slow, stuck or diverged, and is that proved?"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
