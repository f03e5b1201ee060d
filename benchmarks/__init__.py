"""Compare our runner with its peers on the same work: `make bench`."""
