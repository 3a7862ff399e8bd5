"""Figures: drawn once with matplotlib, for files (PNG, SVG) and for pages that follow the reader's colours."""
