"""The Marketplace API: images by label. It needs no key, as the real one."""

from __future__ import annotations

from . import catalogue
from .instance import known_zone
from .problems import not_found
from .web import Reply, Request, Router, page


class MarketplaceAPI:
    def route(self, router: Router) -> None:
        router.add("GET", "/marketplace/v2/images", self.images)
        router.add("GET", "/marketplace/v2/local-images", self.local_images)

    def images(self, request: Request) -> Reply:
        rows = [
            {
                "id": catalogue.image_id(label, "fr-par-1", "instance_local"),
                "name": name,
                "description": name,
                "logo": "",
                "categories": ["distribution"],
                "label": label,
            }
            for label, name in sorted(catalogue.IMAGES.items())
        ]
        return page(request, "images", rows, size_name="page_size", header=False)

    def local_images(self, request: Request) -> Reply:
        zone, label, kind = request.first("zone"), request.first("image_label"), request.first("type")
        if zone is not None:
            known_zone(zone)
        if label is not None and label not in catalogue.IMAGES:
            raise not_found("image", label)
        rows = [
            {
                "id": catalogue.image_id(name, place, of_kind),
                "label": name,
                "zone": place,
                "arch": "x86_64",
                "type": of_kind,
                "compatible_commercial_types": sorted(catalogue.TYPES),
            }
            for name in sorted(catalogue.IMAGES)
            for place in catalogue.ZONES
            for of_kind in ("instance_local", "instance_sbs")
            if (not zone or place == zone)
            and (not label or name == label)
            and (kind in (None, "unknown_type") or of_kind == kind)
        ]
        return page(request, "local_images", rows, size_name="page_size", header=False)
