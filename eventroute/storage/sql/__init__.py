"""What storages on SQL databases share: the statements, and the tables behind the storages' common logic."""
