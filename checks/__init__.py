"""Checks: functions from observations to findings, one row a finding; no rows is a pass.

It uses `core`, `declarations` and `geography` only, and changes nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
