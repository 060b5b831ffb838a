"""The simulator: the real router under virtual time, a seeded order of everything, and faults; see `simulation.run`."""
