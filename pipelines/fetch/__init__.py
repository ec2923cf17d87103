"""The only room that uses the network: from a publisher's address to a snapshot in the store.

It stores bytes as published. It may not look into them beyond telling a file from an error page.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
