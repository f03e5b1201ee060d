"""A channel as the jobs see it: its records, its columns, and its data frames."""
