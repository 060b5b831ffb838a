"""`pattern`, event patterns as AWS EventBridge users know them: parser, meaning, and how its clauses are treated."""
