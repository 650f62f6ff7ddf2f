"""What Alembic runs for each migration: on the connection it is handed, inside the transaction that is open there."""

from alembic import context

from lutetia.app.store.models import Tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Tables.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
