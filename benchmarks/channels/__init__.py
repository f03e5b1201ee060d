"""Whole channels through the pipeline, next to the same mathematics in a plain loop."""
