"""Commonground: sources, places and problems made into views that say what is missing."""
