"""What happens between the boundaries: rules, handlers, the PostgreSQL store, object storage. No Kafka in it."""
