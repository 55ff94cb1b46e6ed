"""The results of commands: waiting for them, and how a person reads them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer

from infra.cli.messages import shown
from infra.cli.output import print_json, print_line
from schemas.states import ResultStatus

CommandKey: TypeAlias = tuple[str, str, str]
"""Account, source and command id: an id is unique for the source of an account."""


async def results_of(
    consumer: AIOKafkaConsumer, keys: Iterable[CommandKey], timeout: float
) -> AsyncIterator[dict[str, Any]]:
    """One result for each delivery of a command, as they come; ends early when none came for `timeout` seconds."""
    missing, clock = Counter(keys), asyncio.get_running_loop().time
    until = clock() + timeout
    while missing.total():
        batches = await consumer.getmany(timeout_ms=int(max(until - clock(), 0) * 1000))
        for result in (shown(record)["data"] for records in batches.values() for record in records):
            if isinstance(result, dict) and missing[key := _key(result)] > 0:
                missing[key] -= 1
                yield result
                until = clock() + timeout
        if clock() >= until:
            return


def is_rejected(result: dict[str, Any]) -> bool:
    """Whether it had no effect: it broke a rule now, or did when it came first."""
    return ResultStatus.REJECTED in (result["status"], result.get("first"))


def print_result(result: dict[str, Any], *, as_json: bool, with_levels: bool = False) -> None:
    """One line, and with `with_levels` one more for each level as the command left it; or the result as JSON."""
    if as_json:
        print_json(result)
        return
    first = f"  (first: {result['first']})" if result.get("first") else ""
    reason = "".join(
        (f"  {result['code']}:" if result.get("code") else "", f"  {result.get('message') or ''}".rstrip())
    )
    print_line(f"{result['status']:<9}  {result['type']}  {result['command_id']}{first}{reason}")
    for level in result.get("levels", ()) if with_levels else ():
        print_line(f"  {_level_words(level)}")


def _key(result: dict[str, Any]) -> CommandKey:
    return str(result.get("account_id")), str(result.get("source")), str(result.get("command_id"))


def _level_words(level: dict[str, Any]) -> str:
    place = f"{level['warehouse_id']} {level['sku']} {level['location_id']}"
    if level.get("lot_id"):
        place += f" lot {level['lot_id']}"
    changes = ", ".join(f"{state} {delta:+,}" for state, delta in level["deltas"].items()) or "no change"
    left = f"{level['on_hand']:,} on hand, {level['available']:,} available"
    return f"{place}: {changes}; version {level['version']}, {left}"
