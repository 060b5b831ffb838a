"""The storage in a PostgreSQL database, for routers on any number of machines."""
