"""Declarations of sources and problems: their models, and the errors that name the file and line.

This package reads declarations only: no data and no network. Its modules are public: import from them directly.
"""
