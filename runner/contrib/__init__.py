"""
What web frameworks want beside the runner itself: one room or file for each.

A framework is imported by its own part alone, and comes with the extra of its name. Nothing else
imports what is here.
"""
