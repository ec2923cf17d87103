"""Places, their codes and boundaries: what each is, was, became, lies in and borders.

It knows no figures but counts of residents, which weigh a crosswalk.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
