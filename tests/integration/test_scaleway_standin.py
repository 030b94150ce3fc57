"""The Scaleway stand-in, asked by the official SDK as it is: nothing of medialift is between them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from scaleway import Client
from scaleway.block.v1 import BlockV1API
from scaleway.iam.v1alpha1 import IamV1Alpha1API
from scaleway.instance.v1 import VolumeServerTemplate
from scaleway.instance.v1.custom_api import InstanceUtilsV1API
from scaleway.marketplace.v2 import MarketplaceV2API
from scaleway_core.api import ScalewayException, ValidationError

from sandbox.scaleway import catalogue
from sandbox.scaleway.boot import NoBoot
from sandbox.scaleway.server import StandIn, serve
from tests.cloud_world import CREDENTIALS, CloudWorld, make_cloud_world

USER_DATA = b"#cloud-config\n{}\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CloudWorld]:
    yield from make_cloud_world(tmp_path)


def client(world: CloudWorld, **changes: str) -> Client:
    return Client(
        access_key=CREDENTIALS["access_key"],
        secret_key=changes.get("secret_key", CREDENTIALS["secret_key"]),
        default_organization_id=CREDENTIALS["organization_id"],
        default_project_id=CREDENTIALS["project_id"],
        default_zone="fr-par-1",
        api_url=world.url,
    )


@pytest.fixture
def api(world: CloudWorld) -> InstanceUtilsV1API:
    return InstanceUtilsV1API(client(world))


def make(api: InstanceUtilsV1API, **changes: object) -> object:
    options = {
        "commercial_type": "PLAY2-MICRO",
        "name": "one",
        "image": "debian_bookworm",
        "tags": ["a", "b"],
    }
    return api.create_server(**{**options, **changes}).server


def until(state: str, api: InstanceUtilsV1API, server_id: str) -> object:
    for _ in range(100):
        server = api.get_server(server_id=server_id).server
        if server.state == state:
            return server
        time.sleep(0.02)
    raise AssertionError(f"still {server.state}: {server.state_detail}")


def status(error: pytest.ExceptionInfo[ScalewayException]) -> int | None:
    return error.value.status_code


def test_a_server_lives_from_creation_to_termination(world: CloudWorld, api: InstanceUtilsV1API) -> None:
    world.boot.deaf = True
    ip = api.create_ip(type_="routed_ipv4", tags=["a"]).ip
    server = make(api, public_ips=[ip.id], dynamic_ip_required=False)
    assert (server.state, server.public_ips[0].address) == ("stopped", ip.address)
    api.set_server_user_data(server_id=server.id, key="cloud-init", content=USER_DATA)
    assert api.get_server_user_data(server_id=server.id, key="cloud-init").content == USER_DATA
    assert api.list_server_user_data(server_id=server.id).user_data == ["cloud-init"]

    api.server_action(server_id=server.id, action="poweron")
    assert api.get_server(server_id=server.id).server.state == "starting"
    running = until("running", api, server.id)
    assert [order.user_data for order in world.boot.orders] == [USER_DATA]
    assert world.boot.orders[0].address == ip.address
    assert [one.id for one in api.list_servers_all(tags=["a", "b"])] == [server.id]
    assert api.list_servers_all(tags=["a", "c"]) == []

    api.server_action(server_id=server.id, action="terminate")
    for _ in range(100):
        if world.inventory()["servers"] == 0:
            break
        time.sleep(0.02)
    with pytest.raises(ScalewayException) as gone:
        api.get_server(server_id=server.id)
    assert status(gone) == 404
    # As the real one: block volumes and flexible IPs outlive the server.
    volume = BlockV1API(client(world)).get_volume(volume_id=running.volumes["0"].id)
    assert (volume.status, volume.references) == ("available", [])
    assert api.get_ip(ip=ip.id).ip.server is None


def test_a_server_in_passage_takes_no_action(world: CloudWorld, api: InstanceUtilsV1API) -> None:
    world.boot.deaf = True
    server = make(api)
    api.server_action(server_id=server.id, action="poweron")
    with pytest.raises(ScalewayException) as refused:
        api.server_action(server_id=server.id, action="terminate")
    assert status(refused) == 409
    until("running", api, server.id)
    with pytest.raises(ScalewayException) as on:
        api.delete_server(server_id=server.id)
    assert "powered off" in str(on.value)


def test_local_disks_go_with_a_terminated_server(world: CloudWorld, api: InstanceUtilsV1API) -> None:
    world.boot.deaf = True
    disk = VolumeServerTemplate(volume_type="l_ssd", size=20 * catalogue.GB, boot=True)
    with pytest.raises(ValidationError):
        make(api, volumes={"0": disk})
    server = make(api, commercial_type="DEV1-S", volumes={"0": disk})
    assert len(api.list_volumes_all()) == 1
    api.server_action(server_id=server.id, action="poweron")
    until("running", api, server.id)
    api.server_action(server_id=server.id, action="terminate")
    for _ in range(100):
        if world.inventory()["servers"] == 0:
            break
        time.sleep(0.02)
    assert api.list_volumes_all() == []


def test_images_are_found_by_label_and_zone(world: CloudWorld, api: InstanceUtilsV1API) -> None:
    marketplace = MarketplaceV2API(client(world))
    local = marketplace.list_local_images_all(image_label="debian_bookworm", zone="fr-par-2")
    assert {image.type_ for image in local} == {"instance_local", "instance_sbs"}
    assert "PLAY2-MICRO" in local[0].compatible_commercial_types
    assert api.get_image(image_id=local[0].id, zone="fr-par-2").image.name == "Debian Bookworm"
    assert [image.label for image in marketplace.list_images_all(include_eol=False)] == [
        "debian_bookworm",
        "ubuntu_noble",
    ]
    with pytest.raises(ScalewayException) as missing:
        make(api, image="debian_potato")
    assert status(missing) == 404


def test_what_does_not_exist_is_refused_as_the_real_one_does(api: InstanceUtilsV1API) -> None:
    with pytest.raises(ValidationError) as kind:
        make(api, commercial_type="HUGE-1")
    assert "commercial_type" in kind.value.errors
    with pytest.raises(ScalewayException) as zone:
        api.list_servers(zone="xx-yyy-1")
    assert status(zone) == 501
    with pytest.raises(ScalewayException) as server:
        api.get_server(server_id=catalogue.PROJECT)
    assert status(server) == 404


def test_lists_come_in_pages(api: InstanceUtilsV1API) -> None:
    for number in range(5):
        make(api, name=f"n{number}")
    assert len(api.list_servers(per_page=2, page=1).servers) == 2
    assert len(api.list_servers(per_page=2, page=3).servers) == 1
    assert len(api.list_servers_all(per_page=2)) == 5
    assert int(api.list_servers(per_page=2).total_count) == 5


def test_security_groups_are_kept_while_in_use(api: InstanceUtilsV1API) -> None:
    made = api.create_security_group(name="g", description="d", stateful=True, inbound_default_policy="drop")
    group = made.security_group.id
    server = make(api, security_group=group)
    assert [one.name for one in api.list_security_groups_all(name="g")] == ["g"]
    with pytest.raises(ScalewayException) as used:
        api.delete_security_group(security_group_id=group)
    assert status(used) == 409
    api.delete_server(server_id=server.id)
    api.delete_security_group(security_group_id=group)
    assert api.list_security_groups_all() == []


def test_keys_end_by_themselves_and_may_do_nothing_here(world: CloudWorld) -> None:
    iam = IamV1Alpha1API(client(world))
    soon = datetime.now(UTC) + timedelta(seconds=0.4)
    key = iam.create_api_key(application_id=catalogue.STORE_APPLICATION, description="d", expires_at=soon)
    assert iam.get_api_key(access_key=key.access_key).secret_key is None
    other = InstanceUtilsV1API(client(world, secret_key=key.secret_key))
    with pytest.raises(ScalewayException) as denied:
        other.list_servers()
    assert status(denied) == 403
    time.sleep(0.5)
    with pytest.raises(ScalewayException) as expired:
        other.list_servers()
    assert (status(expired), "expired" in str(expired.value)) == (401, True)
    iam.delete_api_key(access_key=key.access_key)
    assert iam.list_api_keys_all(bearer_id=catalogue.STORE_APPLICATION) == []


def test_ssh_keys_can_be_registered(world: CloudWorld) -> None:
    iam = IamV1Alpha1API(client(world))
    made = iam.create_ssh_key(public_key=world.public_key, name="mine")
    assert [key.public_key for key in iam.list_ssh_keys_all()] == [world.public_key]
    iam.delete_ssh_key(ssh_key_id=made.id)
    assert iam.list_ssh_keys_all() == []


def test_a_wrong_secret_is_refused(world: CloudWorld) -> None:
    with pytest.raises(ScalewayException) as refused:
        InstanceUtilsV1API(client(world, secret_key="5a9db0c5-0000-4000-8000-000000000bad")).list_servers()
    assert status(refused) == 401


def test_prices_and_stock_are_told(world: CloudWorld, api: InstanceUtilsV1API) -> None:
    assert api.list_servers_types().servers["PLAY2-MICRO"].hourly_price == 0.054
    world.fault(kind="out_of_stock", zone="fr-par-1", commercial_type="PLAY2-MICRO")
    stock = api.get_server_types_availability().servers
    assert (stock["PLAY2-MICRO"].availability, stock["PRO2-S"].availability) == ("shortage", "available")
    prices = {kind.type_: kind.pricing.nanos for kind in BlockV1API(client(world)).list_volume_types_all()}
    assert prices == {"sbs_5k": 118000, "sbs_15k": 177000}


@pytest.mark.parametrize(
    ("fault", "seen"), [("out_of_stock", (412, "out_of_stock")), ("quota", (403, "quotas_exceeded"))]
)
def test_stock_and_quota_faults_strike_the_type_in_the_zone(
    world: CloudWorld, api: InstanceUtilsV1API, fault: str, seen: tuple[int, str]
) -> None:
    world.fault(kind=fault, zone="fr-par-1", commercial_type="PLAY2-MICRO", times=1)
    make(api, zone="fr-par-2")
    make(api, commercial_type="PRO2-S")
    with pytest.raises(ScalewayException) as refused:
        make(api)
    assert (status(refused), seen[1] in str(refused.value)) == (seen[0], True)
    make(api)


def test_wire_faults_strike_what_they_match(world: CloudWorld, api: InstanceUtilsV1API) -> None:
    world.fault(kind="rate_limit", match="GET .*/servers$", times=1, seconds=7)
    with pytest.raises(ScalewayException) as limited:
        api.list_servers()
    assert (status(limited), limited.value.response.headers["Retry-After"]) == (429, "7")
    world.fault(kind="error", match="/servers", times=1, status=502)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        api.list_servers()
    world.fault(kind="cut", match="POST .*/servers$", times=1)
    with pytest.raises(requests.ConnectionError):
        make(api)
    assert [server.name for server in api.list_servers_all()] == ["one"]
    world.fault(kind="slow", match="/servers", times=1, seconds=0.3)
    begun = time.monotonic()
    api.list_servers()
    assert time.monotonic() - begun >= 0.3
    world.fault(kind="silent", match="/servers")
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{world.url}/instance/v1/zones/fr-par-1/servers", timeout=0.3)
    world.heal()
    assert len(api.list_servers().servers) == 1


def test_a_restart_in_the_middle_forgets_nothing(tmp_path: Path) -> None:
    first = StandIn(tmp_path / "state", NoBoot(), delay=30)
    server = serve(first, "127.0.0.1", 0)
    world = type("World", (), {"url": f"http://127.0.0.1:{server.server_address[1]}"})()
    api = InstanceUtilsV1API(client(world))
    made = make(api)
    api.server_action(server_id=made.id, action="poweron")
    server.shutdown()
    server.server_close()

    again = serve(StandIn(tmp_path / "state", NoBoot(), delay=0.02), "127.0.0.1", 0)
    world.url = f"http://127.0.0.1:{again.server_address[1]}"
    assert until("running", InstanceUtilsV1API(client(world)), made.id).name == "one"
    assert (tmp_path / "state" / "state.json").stat().st_mode & 0o077 == 0
    again.shutdown()
    again.server_close()
