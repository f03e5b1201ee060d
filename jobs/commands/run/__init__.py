"""`pipeline run`: the whole way of some sources, in one process that ends by itself."""
