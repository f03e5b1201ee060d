"""What cells and tags hold, as values: times, durations, tags, ids; None where it is none."""
