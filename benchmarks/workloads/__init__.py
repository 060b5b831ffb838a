"""One module a workload, each with a `WORKLOAD`."""
