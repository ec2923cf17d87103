"""Shared foundations: table schemas, gap reasons, periods, place codes, errors and the store.

This package does not depend on sources, problems or Dagster, and reads only files of the store.
Its modules are public: import from them directly.
"""
