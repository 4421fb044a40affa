"""What the cluster is, and what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from sightsound.errors import StoreError
from sightsound.stores.elastic import mapping
from sightsound.stores.elastic.connection import Connection
from sightsound.stores.elastic.errors import cause_of

_LEAST_FREE = 0.1
_ENGLISH = "storms"


def diagnose(connection: Connection, prefix: str) -> tuple[dict[str, str], list[str]]:
    """Facts for people, by name, and what could go wrong, a line each. A privilege that lacks hides facts, no more."""
    facts: dict[str, str] = {"elasticsearch": connection.version or "unknown version"}
    problems: list[str] = []

    def asked(request: Callable[[Elasticsearch], Any]) -> Any:
        try:
            return connection.call(request).body
        except (ApiError, StoreError):
            return {}

    health = asked(lambda client: client.cluster.health())
    if health:
        facts["cluster"] = f"{health['cluster_name']}, {health['number_of_data_nodes']} data nodes, {health['status']}"
        if health["status"] == "red":
            problems.append(
                f"the cluster is red: {health['unassigned_primary_shards']} primary shards are on no node"
                if "unassigned_primary_shards" in health
                else "the cluster is red: primary shards are on no node"
            )
    licence = asked(lambda client: client.license.get())
    if licence:
        facts["licence"] = f"{licence['license']['type']} ({licence['license']['status']})"
    else:
        facts["licence"] = "not said; nothing here needs more than the free one"
    problems += _disks(asked(lambda client: client.nodes.stats(metric="fs")), facts)
    problems += _analyzer(connection)
    problems += _indices(asked, prefix, health)
    mapping.index_options()
    return facts, problems


def _disks(stats: Any, facts: dict[str, str]) -> list[str]:
    problems = []
    for node in stats.get("nodes", {}).values() if stats else ():
        total, free = node["fs"]["total"]["total_in_bytes"], node["fs"]["total"]["available_in_bytes"]
        facts[f"disk of {node['name'] or 'the node'}"] = f"{free / 1e9:,.1f} GB free of {total / 1e9:,.1f} GB"
        if free < _LEAST_FREE * total:
            problems.append(
                f"the disk of {node['name']} is {1 - free / total:.0%} full: Elasticsearch takes no new shards above "
                "90 %, and makes indices read-only above 95 %, unless it was set otherwise"
            )
    return problems


def _analyzer(connection: Connection) -> list[str]:
    try:
        answer = connection.call(lambda client: client.indices.analyze(analyzer="english", text=_ENGLISH)).body
    except ApiError as error:
        return [f"the english analyzer is missing ({cause_of(error)[1]}): words are found only with it"]
    except StoreError:
        return []
    tokens = [token["token"] for token in answer["tokens"]]
    return [] if tokens == ["storm"] else [f"the english analyzer makes {tokens} of '{_ENGLISH}', and not ['storm']"]


def _indices(asked: Callable[[Callable[[Elasticsearch], Any]], Any], prefix: str, health: Any) -> list[str]:
    problems = []
    settings = asked(lambda client: client.indices.get_settings(index=f"{prefix}-*", flat_settings=True))
    for index, has in sorted(settings.items()) if settings else ():
        for name, value in has["settings"].items():
            if name.startswith("index.blocks.") and str(value) == "true":
                problems.append(f"{index} is read-only ({name}): free disk space, or lift the block")
    rows = asked(lambda client: client.cat.indices(index=f"{prefix}-*", format="json", h="index,health"))
    for row in rows or ():
        if row["health"] == "red":
            problems.append(f"{row['index']} is red: a primary shard is on no node, and its documents are not found")
        elif row["health"] == "yellow":
            problems.append(f"{row['index']} has fewer copies than it should have: its replicas are on no node")
    return problems
