"""Where the servers of a stack listen and how to log in, as values and as environment variables."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoints:
    """Everything a client needs. A server that was not asked for has an empty address."""

    database_url: str
    kafka_bootstrap_servers: str
    s3_endpoint_url: str
    s3_access_key_id: str
    s3_secret_access_key: str
    s3_region: str = "us-east-1"
    kafka_idempotence: bool = True
    """Whether the broker takes idempotent producers."""

    def environ(self) -> dict[str, str]:
        """The `ONHAND_*` variables of these endpoints, without those that are empty."""
        variables = {
            "ONHAND_DATABASE_URL": self.database_url,
            "ONHAND_KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "ONHAND_S3_ENDPOINT_URL": self.s3_endpoint_url,
            "ONHAND_S3_ACCESS_KEY_ID": self.s3_access_key_id,
            "ONHAND_S3_SECRET_ACCESS_KEY": self.s3_secret_access_key,
            "ONHAND_S3_REGION": self.s3_region,
            "ONHAND_KAFKA_IDEMPOTENCE": "" if self.kafka_idempotence else "false",
        }
        return {name: value for name, value in variables.items() if value}
