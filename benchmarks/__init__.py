"""Our runner and its peers on the same work, side by side: `make bench`."""
