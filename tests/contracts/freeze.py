"""Freezes the schema of every event that has no frozen one yet: `make contracts`.

With `--unreleased` all are written again. That is right only while no release
has carried them: afterwards, another version of Lethe may be reading these very bytes.
"""

import json
import sys
from typing import Any

from lethe_common.events.catalogue import EVENTS
from lethe_common.events.envelope import Event
from tests.tree import ROOT

FROZEN = ROOT / "tests/contracts/events"


def schema_of(kind: type[Event]) -> dict[str, Any]:
    """What a reader of the event relies on, without its prose."""
    return {"is_stored": kind.is_stored, "schema": _without_prose(kind.model_json_schema())}


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_prose(inner) for key, inner in value.items() if key not in {"description", "title"}}
    return [_without_prose(inner) for inner in value] if isinstance(value, list) else value


def main() -> None:
    FROZEN.mkdir(exist_ok=True)
    if "--unreleased" in sys.argv[1:]:
        for file in FROZEN.glob("*.json"):
            file.unlink()
    for name, kind in EVENTS.items():
        file = FROZEN / f"{name}.json"
        if not file.exists():
            file.write_text(json.dumps(schema_of(kind), indent=2, sort_keys=True) + "\n")
            print("froze", name)


if __name__ == "__main__":
    main()
