"""Push: lanes, attempts and outcomes; knows sinks and policies, not filters."""
