"""Figures in another geography: by code changes and nesting, by weights, and rates by their denominators.

This room looks nothing up. Its inputs are observations and crosswalks; its outputs are figures with bounds and
coverage.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
