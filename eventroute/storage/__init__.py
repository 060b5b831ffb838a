"""Storage: the log and the ledger, one interface with several backends."""
