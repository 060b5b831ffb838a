"""A bus and its delivery state from one storage to another."""
