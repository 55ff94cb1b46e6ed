"""`python -m infra.stack.buckets NAME… [--notify NAME=ARN]`: make buckets, and have one announce its new objects.

The store and the login are boto3's own variables (AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, …). Run by compose.yaml.
"""

import argparse
import sys
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def make_buckets(client: "S3Client", names: list[str]) -> None:
    """Make those that are missing. The others are left as they are."""
    present = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for name in names:
        if name not in present:
            client.create_bucket(Bucket=name)


def announce_objects(client: "S3Client", bucket: str, target: str) -> None:
    """Send an S3 event for each object created in `bucket` to the queue with the ARN `target`, and to no other."""
    client.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"Id": "onhand", "QueueArn": target, "Events": ["s3:ObjectCreated:*"]}]
        },
    )


def main() -> int:
    """Do what the arguments say; 0 when it is done. Harmless to repeat."""
    parser = argparse.ArgumentParser(prog="python -m infra.stack.buckets", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--notify", metavar="NAME=ARN", help="where the objects created in this bucket are announced")
    arguments = parser.parse_args()
    client = boto3.client("s3")
    make_buckets(client, arguments.names)
    if arguments.notify:
        bucket, _, target = arguments.notify.partition("=")
        announce_objects(client, bucket, target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
