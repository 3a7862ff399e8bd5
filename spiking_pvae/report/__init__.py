"""Self-contained pages about a run or a sweep."""
