"""The page of figures: what is measured for it, and how it becomes tables and plots."""
