"""compose.yml starts the whole system on one machine, guarded, and without a secret of its own."""

import re
from typing import Any

import pytest
import yaml

from tests.unit.deploy.processes import COMPOSE, ROOT, composed, variables

OURS = {"migrate", "roles", "scheduler", "fetcher", "importer", "operator"}


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The file as compose itself reads it, which refuses what the specification does not know."""
    return composed()


@pytest.fixture(scope="module")
def services(whole: dict[str, Any]) -> dict[str, Any]:
    """Its services."""
    found: dict[str, Any] = whole["services"]
    return found


def test_every_image_has_a_tag(services: dict[str, Any]) -> None:
    for service in services.values():
        assert re.fullmatch(r"[\w./-]+:(?!latest)[\w.-]+", service["image"])


def test_nobody_can_gain_rights(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "network_mode", "pid", "user", "devices"} & service.keys(), name
        assert set(service.get("cap_add", ())) <= {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}, name
        if name in OURS:
            assert service["read_only"] is True, name
            assert "cap_add" not in service, name


def test_no_secret_has_a_default_and_none_is_written_out() -> None:
    raw = yaml.safe_load(COMPOSE.read_text())
    for service in raw["services"].values():
        for name, value in service.get("environment", {}).items():
            for wanted in re.findall(r"\$\{[^}]*\}", value):
                assert wanted.endswith(":?}") or name == "SFTP_CONNECTOR_ALLOWED_NETWORKS"
            if re.search(r"PASS|KEY|SECRET", name) or ("://" in value and "@" in value):
                assert variables(value), name


def test_only_fetchers_reach_what_is_outside(whole: dict[str, Any], services: dict[str, Any]) -> None:
    closed = {name for name, network in whole["networks"].items() if network.get("internal")}
    # Published ports come in; without masquerading nothing that goes out finds its way back
    (doors,) = [name for name, network in whole["networks"].items() if network.get("driver_opts")]
    assert whole["networks"][doors]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}

    outside = {name for name, service in services.items() if service["networks"].keys() - closed - {doors}}
    assert outside == {"fetcher"}
    assert {name for name, service in services.items() if doors in service["networks"]} == {"broker", "grafana"}


def test_each_server_is_near_those_alone_who_need_it(services: dict[str, Any]) -> None:
    near = {
        name: {other for other, service in services.items() if name in service["networks"]} - {name}
        for name in ("broker", "database", "store")
    }

    assert near == {
        "broker": {"scheduler", "fetcher", "importer", "operator"},
        "database": {"migrate", "roles", "scheduler", "importer", "operator"},
        "store": {"fetcher", "importer", "operator"},
    }


def test_ports_are_published_to_this_machine_alone(services: dict[str, Any]) -> None:
    published = {port["host_ip"] for service in services.values() for port in service.get("ports", ())}

    assert published == {"127.0.0.1"}


def test_a_service_starts_when_what_it_needs_is_there(services: dict[str, Any]) -> None:
    assert services["roles"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    for name in ("scheduler", "importer"):
        assert services[name]["depends_on"]["roles"]["condition"] == "service_completed_successfully"
    for service in services.values():
        for other, need in service.get("depends_on", {}).items():
            if need["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"][0] == "CMD", other


@pytest.mark.parametrize("name", ["scheduler", "fetcher", "importer"])
def test_a_service_counts_as_healthy_when_it_is_ready(services: dict[str, Any], name: str) -> None:
    assert "http://127.0.0.1:9100/readyz" in services[name]["healthcheck"]["test"][-1]


def test_every_file_that_is_mounted_or_built_from_is_there(services: dict[str, Any]) -> None:
    mounted = [
        volume["source"]
        for service in services.values()
        for volume in service.get("volumes", ())
        if volume["type"] == "bind"
    ]
    build = services["migrate"]["build"]

    assert mounted
    for source in [*mounted, f"{build['context']}/{build['dockerfile']}"]:
        assert (ROOT / source).exists(), source
    assert (ROOT / build["context"]).samefile(ROOT)


def test_prometheus_looks_at_services_that_there_are(services: dict[str, Any]) -> None:
    content = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    looked_at = {
        (name, found["port"])
        for job in content["scrape_configs"]
        for found in job.get("dns_sd_configs", ())
        for name in found["names"]
    }

    assert looked_at == {(name, 9100) for name in ("scheduler", "fetcher", "importer")}
    for name, _ in looked_at:
        assert "metrics" in services[name]["networks"]


def test_grafana_finds_prometheus_and_the_dashboards(services: dict[str, Any]) -> None:
    folder = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards/sftp-connector.yml").read_text())["providers"]
    mounted = {volume["target"]: volume["source"] for volume in services["grafana"]["volumes"]}

    assert source["url"] == "http://prometheus:9090"
    assert "metrics" in services["prometheus"]["networks"].keys() & services["grafana"]["networks"].keys()
    assert [*(ROOT / mounted[provider["options"]["path"]]).glob("*.json")]
    assert folder.samefile(ROOT / mounted["/etc/grafana/provisioning"])


def test_the_broker_waits_for_the_longest_import(whole: dict[str, Any]) -> None:
    milliseconds = re.search(r"^consumer_timeout = (\d+)$", whole["configs"]["broker"]["content"], re.MULTILINE)

    assert milliseconds
    assert int(milliseconds[1]) >= 6 * 3600 * 1000


def test_the_page_names_every_variable() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    told = {
        name
        for row in page.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])
    }

    assert told == set(re.findall(r"\$\{(\w+):[?-]", COMPOSE.read_text()))
