"""`expr`, the text language for filters: grammar, parser, what its values are, and how its clauses are treated."""
