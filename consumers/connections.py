"""Clients of the configured servers. Nothing connects before it is used."""

from consumers.settings import Settings
from pipeline.objects import ObjectStore
from pipeline.store.database import Database


def object_store(settings: Settings) -> ObjectStore:
    """The S3 store."""
    secret = settings.s3_secret_access_key
    return ObjectStore(
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=secret.get_secret_value() if secret else None,
        public_endpoint_url=settings.s3_public_endpoint_url,
    )


def database(settings: Settings) -> Database:
    """PostgreSQL."""
    return Database(settings.database_url.get_secret_value())
