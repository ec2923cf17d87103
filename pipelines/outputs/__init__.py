"""What people open: the analyst's file, reports, pages, spreadsheets, maps and letters.

It shows what the other rooms found, and works out no figure.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
