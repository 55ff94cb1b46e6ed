"""What Alembic runs to migrate: on the connection that `pipeline.store.migrate` opened, inside its transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    on_version_apply=context.config.attributes["on_version_apply"],
)
context.run_migrations()
