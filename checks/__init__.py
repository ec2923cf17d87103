"""Checks: functions from observations to findings, one row a finding; a check without rows has passed.

The room imports `core`, `declarations` and `geography` only, and changes no data.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
