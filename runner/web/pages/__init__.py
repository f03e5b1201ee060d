"""One module for each group of pages; each gives its routes for a dashboard."""
