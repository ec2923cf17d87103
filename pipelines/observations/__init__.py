"""From tables of text to typed, published figures, each with its release, row, caveats and plausibility flags.

This room converts no figure to another geography and answers no problem.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
