"""Checks: functions from a table to findings. No rows is a pass."""
