"""Builds what handling syncs needs from a worker's settings."""

from consumers.settings import Settings
from consumers.worker import Worker
from pipeline.syncs.services import SyncLimits, SyncServices
from pipeline.uploads.source import SourceLimits
from pipeline.web import WebLimits


def sync_services(worker: Worker) -> SyncServices:
    """The worker's servers, its buckets, and the limits that the operator has set."""
    settings = worker.settings
    return SyncServices(
        worker.database,
        worker.objects,
        settings.s3_uploads_bucket,
        settings.s3_work_bucket,
        SourceLimits(settings.s3_uploads_bucket, settings.s3_source_buckets, _web_limits(settings)),
        SyncLimits(
            settings.sync_chunk_rows,
            settings.sync_step_rows,
            settings.sync_atomic_max_rows,
            settings.sync_part_attempts,
            settings.wipe_guard_percent,
            settings.repeat_hours,
        ),
    )


def _web_limits(settings: Settings) -> WebLimits:
    return WebLimits(
        settings.fetch_timeout_seconds,
        settings.upload_max_bytes,
        settings.fetch_allow_private,
        deadline_seconds=settings.fetch_deadline_seconds,
    )
