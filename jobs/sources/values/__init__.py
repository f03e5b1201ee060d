"""What cells and tags hold, as values: times, durations, tags, ids; None for anything else."""
