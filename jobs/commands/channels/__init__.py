"""`pipeline channels`: list, show, add, remove, schedule and sync channels."""
