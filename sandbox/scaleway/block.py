"""The Block Storage API: volumes that outlive the servers they are attached to."""

from __future__ import annotations

from . import catalogue
from .instance import block_volume, chosen, known_zone
from .problems import conflict, not_found, validation
from .state import Row, State
from .web import Reply, Request, Router, page

Z = "/block/v1/zones/{zone}"


class BlockAPI:
    def __init__(self, state: State) -> None:
        self._state = state

    def route(self, router: Router) -> None:
        router.add("GET", f"{Z}/volume-types", self.types)
        router.add("GET", f"{Z}/volumes", self.list)
        router.add("POST", f"{Z}/volumes", self.create)
        router.add("GET", f"{Z}/volumes/{{volume}}", self.get)
        router.add("PATCH", f"{Z}/volumes/{{volume}}", self.update)
        router.add("DELETE", f"{Z}/volumes/{{volume}}", self.delete)

    def types(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        rows = [
            {
                "type": name,
                "zone": zone,
                "pricing": {"currency_code": "EUR", "units": 0, "nanos": round(price * 1e9)},
                "snapshot_pricing": {"currency_code": "EUR", "units": 0, "nanos": 44000},
                "specs": {"perf_iops": 5000 if name == "sbs_5k" else 15000, "class": "sbs"},
            }
            for name, price in catalogue.VOLUME_PRICES.items()
        ]
        return page(request, "volume_types", rows, size_name="page_size", header=False)

    def list(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        with self._state.open() as tables:
            rows = chosen(tables["block"], request, zone, "project_id")
            return page(request, "volumes", rows, size_name="page_size", header=False)

    def create(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        wanted = request.json()
        size = (wanted.get("from_empty") or {}).get("size")
        if not isinstance(size, int) or size <= 0:
            raise validation({"from_empty.size": ["required key not provided"]})
        with self._state.open() as tables:
            row = block_volume(
                wanted.get("name") or "vol",
                zone,
                size,
                list(wanted.get("tags") or []),
                status="available",
                iops=wanted.get("perf_iops") or 5000,
            )
            tables["block"][row["id"]] = row
            # Made at once here; the answer says creating, as the real one does.
            return Reply(200, {**row, "status": "creating"})

    def get(self, request: Request, zone: str, volume: str) -> Reply:
        with self._state.open() as tables:
            return Reply(200, self._volume(tables, zone, volume))

    def update(self, request: Request, zone: str, volume: str) -> Reply:
        wanted = request.json()
        with self._state.open() as tables:
            row = self._volume(tables, zone, volume)
            row |= {key: wanted[key] for key in ("name", "tags", "size") if wanted.get(key) is not None}
            return Reply(200, row)

    def delete(self, request: Request, zone: str, volume: str) -> Reply:
        with self._state.open() as tables:
            row = self._volume(tables, zone, volume)
            if row["references"]:
                raise conflict("the volume is in use")
            del tables["block"][volume]
            return Reply(204)

    def _volume(self, tables: dict[str, dict[str, Row]], zone: str, volume: str) -> Row:
        row = tables["block"].get(volume)
        if row is None or row["zone"] != known_zone(zone):
            raise not_found("volume", volume)
        return row
