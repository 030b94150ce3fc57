"""Making an instance: the first place that has one, and everything it needs there.

Each step takes up what an earlier run left, so a creation may be interrupted anywhere and begun again.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from scaleway.block.v1 import CreateVolumeRequestFromEmpty
from scaleway.instance.v1 import SetSecurityGroupRulesRequestRule, VolumeServerTemplate

from medialift.errors import MedialiftError, Permanent, Transient, Unsafe

from . import cloudinit, hostkey, pricing, tags
from .belongings import Resource, Server, of_instance, resources, root_volume_name, servers
from .removal import remove_all
from .scaleway import Busy, NotFound, OutOfStock, QuotaExceeded, Scaleway, Unanswered, in_zones
from .settling import settle, wait_for
from .wanted import Offer, Volume, Wanted

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def find(cloud: Scaleway, name: str, offers: Sequence[Offer] = ()) -> Server | None:
    """The server of this name, in whatever zone and state it is.

    Raises:
        Unsafe: there are two.
    """
    found = servers(cloud, in_zones(offer.zone for offer in offers), tags.owner(name))
    if len(found) > 1:
        raise Unsafe(
            "More than one instance carries the tag",
            f"{tags.owner(name)}: {', '.join(f'{one.id} in {one.zone}' for one in found)}",
            "Look which one is right and remove the other, or remove both with state absent",
        )
    return found[0] if found else None


def create(cloud: Scaleway, wanted: Wanted, deadline: float, done: list[str]) -> Server:
    """The first of the offers that can be had."""
    offers, refused = available(cloud, wanted)
    errors: list[MedialiftError] = []
    for offer in offers:
        image = image_id(cloud, wanted, offer)
        try:
            server = _create_in(cloud, wanted, offer, image, deadline)
            server = finish(cloud, wanted, server, deadline, [])
        except (OutOfStock, QuotaExceeded) as error:
            errors.append(error)
            refused.append(f"{offer}: {error.what}")
            remove_all(cloud, wanted.name, [offer.zone], deadline, wanted.poll)
        except Permanent:
            # Nothing but a person can help: leave nothing behind that costs money.
            remove_all(cloud, wanted.name, [offer.zone], deadline, wanted.poll)
            raise
        else:
            done.append(f"create {offer}")
            return server
    only_quotas = errors and all(isinstance(error, QuotaExceeded) for error in errors)
    if only_quotas and len(errors) == len(wanted.offers):
        raise QuotaExceeded(
            "Quotas forbid every type on the list", "; ".join(refused), "Ask Scaleway for a higher quota"
        )
    raise _nothing_to_be_had(refused)


def available(cloud: Scaleway, wanted: Wanted) -> tuple[list[Offer], list[str]]:
    """The offers that exist and are not known to be out of stock, and why the others are not.

    Raises:
        Permanent: a zone or a type does not exist; all offers are checked, so a slip in the last shows too.
        OutOfStock: none is left.
    """
    left, refused = [], []
    zones = dict.fromkeys(offer.zone for offer in wanted.offers)
    sold = {zone: pricing.server_types(cloud, zone) for zone in zones}
    stock = {zone: pricing.availability(cloud, zone) for zone in zones}
    for offer in wanted.offers:
        if offer.commercial_type not in sold[offer.zone]:
            near = difflib.get_close_matches(offer.commercial_type, sold[offer.zone], n=5, cutoff=0.3)
            raise Permanent(
                "Scaleway does not sell this type in the zone",
                str(offer),
                f"Among those it sells: {', '.join(near or sorted(sold[offer.zone])[:10])}",
            )
        if stock[offer.zone].get(offer.commercial_type) == "shortage":
            refused.append(f"{offer}: out of stock")
        else:
            left.append(offer)
    if not left:
        raise _nothing_to_be_had(refused)
    return left, refused


def _nothing_to_be_had(refused: Sequence[str]) -> OutOfStock:
    return OutOfStock(
        "None of the zones and types is to be had", "; ".join(refused), "Add others to the list, or try later"
    )


def image_id(cloud: Scaleway, wanted: Wanted, offer: Offer) -> str:
    """The id of the image in the zone, for the kind of disk that it will boot from."""
    if _UUID.fullmatch(wanted.image):
        try:
            return str(cloud.instance.get_image(image_id=wanted.image, zone=offer.zone).image.id)
        except NotFound as error:
            raise Permanent(
                "There is no such image in the zone",
                f"{wanted.image} in {offer.zone}",
                "An image has another id in every zone: give its label, such as debian_bookworm",
            ) from error
    kind = "instance_sbs" if wanted.root_volume.kind == "sbs_volume" else "instance_local"
    try:
        images = cloud.marketplace.list_local_images_all(
            image_label=wanted.image, zone=offer.zone, type_=kind
        )
    except NotFound:
        images = []
    for image in images:
        compatible = image.compatible_commercial_types
        if str(image.type_) == kind and (not compatible or offer.commercial_type in compatible):
            return str(image.id)
    labels = sorted(image.label for image in cloud.marketplace.list_images_all(include_eol=False))
    near = difflib.get_close_matches(wanted.image, labels, n=5, cutoff=0.3) or labels[:10]
    raise Permanent(
        "There is no such image for this type in the zone",
        f"{wanted.image} for {offer}",
        f"Among the labels are: {', '.join(near)}",
    )


def _create_in(cloud: Scaleway, wanted: Wanted, offer: Offer, image: str, deadline: float) -> Server:
    """Make the server and what it needs in one zone, taking up what an earlier run left there."""
    zone = offer.zone
    left = of_instance(resources(cloud, [zone]), wanted.name)
    marks = own_marks(cloud, wanted)
    group = _security_group(cloud, wanted, zone, left, marks)
    ip = _address(cloud, zone, left, marks)
    volumes = {
        "0": VolumeServerTemplate(
            volume_type=wanted.root_volume.kind,
            size=wanted.root_volume.size,
            name=root_volume_name(wanted.name),
            boot=True,
        )
    }
    for number, volume in enumerate(wanted.extra_volumes, 1):
        volume_id = _block_volume(cloud, wanted, zone, volume, left, marks, deadline)
        volumes[str(number)] = VolumeServerTemplate(volume_type="sbs_volume", id=volume_id, size=None)
    tag = tags.owner(wanted.name)
    _made_once(
        lambda: cloud.instance.create_server(
            zone=zone,
            commercial_type=offer.commercial_type,
            name=wanted.name,
            image=image,
            volumes=volumes,
            public_ips=[ip],
            security_group=group,
            dynamic_ip_required=False,
            tags=[*marks, *wanted.tags, tags.CREATING],
        ),
        lambda: servers(cloud, [zone], tag) or None,
    )
    # Two controllers may have done this at the same moment: neither may go on with two.
    made = find(cloud, wanted.name, wanted.offers)
    if made is None:
        raise Transient("The instance is not there after its creation", f"{tag} in {zone}", "Try again")
    return made


def _security_group(
    cloud: Scaleway, wanted: Wanted, zone: str, left: Sequence[Resource], marks: Sequence[str]
) -> str:
    """A group that lets SSH in from the given networks, and nothing else."""
    found = next((one.id for one in left if one.kind == "security_group"), None)
    if found is None:
        made = _made_once(
            lambda: (
                cloud.instance.create_security_group(
                    zone=zone,
                    name=f"medialift-{wanted.name}",
                    description="Made by medialift: SSH only",
                    stateful=True,
                    inbound_default_policy="drop",
                    outbound_default_policy="accept",
                    enable_default_security=True,
                    tags=list(marks),
                ).security_group.id
            ),
            lambda: _left(cloud, wanted.name, zone, "security_group"),
        )
        found = str(made)
    # Set at every run: a run that was cut between the two would leave a group that lets nobody in.
    rules = [
        SetSecurityGroupRulesRequestRule(
            action="accept",
            protocol="TCP",
            direction="inbound",
            ip_range=source,
            position=position,
            dest_port_from=22,
            dest_port_to=22,
        )
        for position, source in enumerate(wanted.sources, 1)
    ]
    cloud.instance.set_security_group_rules(security_group_id=found, zone=zone, rules=rules)
    return found


def _address(cloud: Scaleway, zone: str, left: Sequence[Resource], marks: Sequence[str]) -> str:
    found = next((one.id for one in left if one.kind == "ip" and not one.in_use), None)
    if found is not None:
        return found
    name = tags.owner_of(marks) or ""
    made = _made_once(
        lambda: cloud.instance.create_ip(zone=zone, tags=list(marks), type_="routed_ipv4").ip.id,
        lambda: _left(cloud, name, zone, "ip"),
    )
    return str(made)


def _block_volume(
    cloud: Scaleway,
    wanted: Wanted,
    zone: str,
    volume: Volume,
    left: Sequence[Resource],
    marks: Sequence[str],
    deadline: float,
) -> str:
    full = f"medialift-{wanted.name}-{volume.name}"
    found = next((one.id for one in left if one.kind == "block_volume" and one.name == full), None)
    if found is None:
        made = _made_once(
            lambda: (
                cloud.block.create_volume(
                    zone=zone,
                    name=full,
                    perf_iops=volume.iops,
                    from_empty=CreateVolumeRequestFromEmpty(size=volume.size),
                    tags=list(marks),
                ).id
            ),
            lambda: _left(cloud, wanted.name, zone, "block_volume", full),
        )
        found = str(made)
    seen = ""

    def is_available() -> bool:
        nonlocal seen
        seen = str(cloud.block.get_volume(volume_id=found, zone=zone).status)
        if seen == "error":
            raise Permanent("Scaleway could not make the volume", f"{full} in {zone}", "Remove it, try again")
        return seen == "available"

    if not wait_for(cloud, is_available, deadline, wanted.poll):
        raise Transient(f"The volume is still {seen}", f"{full} in {zone}", "Try again later")
    return found


def _left(cloud: Scaleway, name: str, zone: str, kind: str, full: str = "") -> str | None:
    found = of_instance(resources(cloud, [zone]), name)
    return next((one.id for one in found if one.kind == kind and full in ("", one.name)), None)


def _made_once(make: Callable[[], T], find_it: Callable[[], T | None]) -> T:
    """Make something; when no answer comes, look whether it was made all the same."""
    try:
        return make()
    except Unanswered:
        found = find_it()
        if found is None:
            raise
        return found


def finish(cloud: Scaleway, wanted: Wanted, server: Server, deadline: float, done: list[str]) -> Server:
    """Bring a server to running, from wherever an earlier run left it."""
    if server.state == "locked":
        raise Permanent(
            "Scaleway has locked the instance", f"{server.id} in {server.zone}", "Ask its support why"
        )
    if server.state in ("stopped", "stopped_in_place"):
        if tags.CREATING in server.tags:
            server = _dress(cloud, wanted, server)
        else:
            done.append("power on")
        # Without a clear answer it may have been carried out: what its state becomes will tell.
        with contextlib.suppress(Busy, Unanswered):
            cloud.instance.server_action(server_id=server.id, zone=server.zone, action="poweron")
    elif tags.CREATING in server.tags:
        done.append("finish its creation")
    return settle(cloud, wanted, server, deadline, starting=True)


def _dress(cloud: Scaleway, wanted: Wanted, server: Server) -> Server:
    """Give a server that never ran its host key and its user data, and mark its boot volume.

    The key is made anew at every attempt: its private half is kept nowhere but in the user data.
    """
    key = hostkey.make()
    kept = [tag for tag in server.tags if not tag.startswith(tags.HOST_KEY)]
    new = (*kept, tags.host_key(key))
    cloud.instance._update_server(server_id=server.id, zone=server.zone, tags=list(new))
    content = cloudinit.render(
        hostname=wanted.name,
        host_key=key,
        authorized_keys=wanted.authorized_keys,
        extra=wanted.cloud_config,
    )
    cloud.instance.set_server_user_data(
        server_id=server.id, zone=server.zone, key="cloud-init", content=content
    )
    for volume in server.volumes:
        if volume.boot and volume.kind == "sbs_volume":
            marks = [tag for tag in kept if tag.startswith((tags.OWNER, tags.EXPIRES))]
            cloud.block.update_volume(volume_id=volume.id, zone=server.zone, tags=marks)
    return replace(server, tags=new)


def own_marks(cloud: Scaleway, wanted: Wanted) -> list[str]:
    """The tags of everything made for this instance."""
    end = datetime.fromtimestamp(cloud.clock.now(), UTC) + timedelta(seconds=wanted.lifetime)
    return [tags.owner(wanted.name), tags.expires(end)]


def tags_for(cloud: Scaleway, wanted: Wanted, current: Sequence[str]) -> list[str]:
    """The tags that a finished instance should have."""
    owner, new_end = own_marks(cloud, wanted)
    old_end = next((tag for tag in current if tag.startswith(tags.EXPIRES)), None)
    keys = [tag for tag in current if tag.startswith(tags.HOST_KEY)]
    return [owner, new_end if wanted.extend or old_end is None else old_end, *keys, *wanted.tags]
