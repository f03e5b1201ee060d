"""`pipeline run`: from sources to reports, in one process that ends when all is done."""
