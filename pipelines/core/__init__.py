"""Words and tools that every room uses: the schema, reasons, periods, codes of places, errors, and the store.

It knows nothing of sources, problems or Dagster, and reads no file but those of the store.
Its modules are public: import from them.
"""
