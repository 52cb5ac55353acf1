"""Schema history of the control database (Alembic)."""
