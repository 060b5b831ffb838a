"""For tests, yours and ours: the contract suites that say what an interface means, virtual time, faulty parts."""
