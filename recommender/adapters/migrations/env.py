"""Alembic's entry: runs on the connection that `adapters.database.migrate` hands over."""

from alembic import context

from recommender.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    user_module_prefix="tables.",
)
with context.begin_transaction():
    context.run_migrations()
