"""Tests of the simulation, and what they are made of."""
