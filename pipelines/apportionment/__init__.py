"""Figures moved to another geography: by succession, by weights, and rates by their denominators.

It looks nothing up: observations and crosswalks come in, figures with bounds and coverage go out.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
