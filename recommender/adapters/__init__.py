"""Everything that talks to a driver: Redis, Delta, SQL databases, PDF, processes."""
