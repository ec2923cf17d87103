"""The grid of a problem: every place, period and measure, as a value or as a gap with its reason.

It also keeps the ledger of gaps and plans what to ask for. It writes nothing that people open.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
