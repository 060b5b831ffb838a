"""Sinks: where events are pushed to."""
