"""Measure whole channels through the pipeline, and the same computation in a plain loop."""
