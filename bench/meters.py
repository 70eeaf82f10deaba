"""How much a service did per message, by its own metrics: everything must be per batch."""

from collections.abc import Iterable, Mapping

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

METERS: dict[str, str] = {
    "batches": "yizhan_batch_records_count",
    "commits": "yizhan_commits_total",
    "publishes": "yizhan_publish_seconds_count",
    "mongo calls": "yizhan_mongo_seconds_count",
}


async def read_meters(urls: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Read the sums of METERS of every service, by its name and URL."""
    found = {}
    async with aiohttp.ClientSession() as session:
        for name, url in urls.items():
            async with session.get(f"{url}/metrics") as answer:
                found[name] = _sums(await answer.text())
    return found


def _sums(text: str) -> dict[str, float]:
    wanted = {series: meter for meter, series in METERS.items()}
    sums = dict.fromkeys(METERS, 0.0)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in wanted:
                sums[wanted[sample.name]] += sample.value
    return sums


def per_thousand(
    before: Mapping[str, Mapping[str, float]],
    after: Mapping[str, Mapping[str, float]],
    messages: int,
    names: Iterable[str],
) -> dict[str, dict[str, float]]:
    """Give each meter's difference per 1,000 messages."""
    return {
        name: {
            meter: round((after[name][meter] - before[name][meter]) / max(messages, 1) * 1000, 1)
            for meter in METERS
        }
        for name in names
        if name in before and name in after
    }
