"""Who listens: subscribers, the outbox relay, the bucket poller, settings, the composition root."""
