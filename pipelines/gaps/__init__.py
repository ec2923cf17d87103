"""Grid of a problem: every place, period and measure, as a value or as a gap with its reason.

The room also keeps the gap ledger and plans requests to data owners. It writes no output files.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
