"""A channel as the jobs see it: its records, its columns, and the tables made of them."""
