"""Command line, Dagster assets and builds. This room calls the other rooms and contains no rules about figures.

No other room may import it. It is the only room that uses Dagster.
"""

import os

# Polars reads this when it is imported. Memory that it frees is used again for some seconds, because a system that
# gets it back and gives it out anew takes a sixth of the processor time of a large build.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:5000")
