"""Commonground: combines sources by place into answers to problems, and reports missing data."""
