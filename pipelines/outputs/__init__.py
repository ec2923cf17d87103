"""Outputs for users: the analyst's file, reports, pages, spreadsheets, maps and letters.

This room shows the results of the other rooms and computes no figures.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
