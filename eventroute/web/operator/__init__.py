"""The operator's page: what each bus and subscription does, where events went, and what can be done about it."""
