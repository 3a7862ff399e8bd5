"""Exports of integer networks, one file a target, and the readers that execute what was written."""
