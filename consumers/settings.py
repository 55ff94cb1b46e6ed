"""All settings, from environment variables that begin with ONHAND_. README.md has the same list as a table."""

from pydantic import Field, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.topics import DEFAULT_PREFIX


class Settings(BaseSettings):
    """Where the servers are, and the limits that an operator may change. Immutable once read."""

    model_config = SettingsConfigDict(env_prefix="ONHAND_", frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: SecretStr = Field(description="PostgreSQL 18 or newer, as postgresql://user:password@host:port/name.")
    kafka_bootstrap_servers: str = Field(
        pattern=r"^[^,\s]+:[0-9]+(,[^,\s]+:[0-9]+)*$", description="Kafka brokers, host:port, several with commas."
    )
    kafka_topic_prefix: str = Field(DEFAULT_PREFIX, description="Put in front of every topic and consumer group.")
    kafka_replication_factor: PositiveInt = Field(1, description="Of the topics that `onhand topics apply` creates.")
    kafka_idempotence: bool = Field(
        True, description="Idempotent producers; the embedded broker cannot and turns it off."
    )
    s3_endpoint_url: str | None = Field(
        None, pattern=r"^https?://[^/\s]", description="S3-compatible store; empty for AWS."
    )
    s3_public_endpoint_url: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]",
        description="The store's address in links for people, where it is another one.",
    )
    s3_region: str = Field("us-east-1", description="Region of the buckets.")
    s3_access_key_id: str | None = Field(None, description="Empty for the usual AWS credential chain.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Belongs to the access key.")
    s3_uploads_bucket: str = Field("uploads", description="Where CSV files are dropped.")
    s3_work_bucket: str = Field("work", description="Where the parts of a planned sync lie until it ends.")
    s3_snapshots_bucket: str = Field("snapshots", description="Where snapshots are written.")
    s3_source_buckets: tuple[str, ...] = Field(
        (), description="Further buckets that sync requests of any account may name, as a JSON list."
    )
    uploads_poll_seconds: float = Field(
        2.0, ge=0, description="How often the uploads bucket is listed; 0 where the store sends notifications."
    )
    upload_max_bytes: PositiveInt = Field(10 * 2**30, description="The largest file that a sync takes, in bytes.")
    fetch_timeout_seconds: float = Field(30.0, gt=0, description="For connecting to and for each read of an https URL.")
    fetch_allow_private: bool = Field(False, description="Let syncs fetch http:// and private addresses.")
    snapshot_link_hours: PositiveInt = Field(
        24, le=168, description="How long the link of a snapshot can be used; S3 allows seven days."
    )
    fetch_deadline_seconds: float = Field(3600.0, gt=0, description="For fetching all of an https URL.")
    sync_chunk_rows: PositiveInt = Field(20_000, description="Aimed rows of one chunk of a sync: one message.")
    sync_step_rows: PositiveInt = Field(
        4_000, description="Aimed rows of a sync in one transaction; an eighth of that while commands come in."
    )
    sync_consumers: PositiveInt = Field(
        2, description="Parts of syncs that one worker has in hand: while one waits for PostgreSQL, another works."
    )
    sync_atomic_max_rows: PositiveInt = Field(
        200_000, description="Most rows of a sync that is applied all or nothing: one transaction holds its levels."
    )
    sync_part_attempts: PositiveInt = Field(5, description="How often a part of a sync is tried before it is given up.")
    sync_stuck_seconds: float = Field(
        300.0, gt=0, description="After how long without progress the scheduler sends the parts of a sync again."
    )
    sync_item_retention_months: PositiveInt | None = Field(
        None, description="How many full months of row statuses are kept beside the present one; empty for ever."
    )
    wipe_guard_percent: int = Field(
        50,
        ge=0,
        le=100,
        description="A sync that would empty more than this share of a warehouse's levels, or take away more than this "
        "share of its units, is held.",
    )
    repeat_hours: float = Field(
        12.0, ge=0, description="How long the same file that adds, removes or moves units is a repeat, in hours."
    )
    command_batch_size: PositiveInt = Field(2_000, description="Most commands in one transaction.")
    command_consumers: PositiveInt = Field(
        2, description="Consumers of commands in one worker: while one waits for PostgreSQL, another works."
    )
    dead_letter_cap: PositiveInt = Field(
        1_000, description="Dead letters in a row, with no good message between, after which a worker stops."
    )
    log_retention_months: PositiveInt | None = Field(
        None, description="How many full months of the change log are kept beside the present one; empty for ever."
    )
    command_retention_days: PositiveInt = Field(
        30, description="How long an id of a command is remembered, so that a repeat is known as one, in days."
    )
    upkeep_seconds: float = Field(60.0, gt=0, description="How often the scheduler looks for housekeeping to do.")
