"""Background duties, one a file, all of the same shape: start, stop, step."""
