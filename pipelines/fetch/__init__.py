"""The only room that uses the network: it downloads files from publishers and stores them as snapshots.

Files are stored byte for byte. This room reads their content only to tell a data file from an error page.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
