"""The objects for Kubernetes are valid, guarded, closed to all but what is needed, and name what there is."""

import json
import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy import prometheus_rule
from services.fetcher.settings import Settings as FetcherSettings
from shared import addresses, contracts
from shared.addresses import may_connect
from tests.unit.deploy.processes import KUBERNETES, ROOT, containers, kustomized, pods

SERVICES = ("fetcher", "importer", "importer-large", "scheduler")
THREADS = {"fetcher": FetcherSettings.model_fields["fetch_threads"].default, "importer": 2, "importer-large": 1}
# The oldest release that still gets mends somewhere, and the newest whose schemas are at hand.
VERSIONS = ("1.31", "1.37")
CUSTOM = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule"}
Objects = list[dict[str, Any]]


@pytest.fixture(scope="module")
def objects() -> Objects:
    """What the example makes."""
    return kustomized("example")


def named(objects: Objects, kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def words(content: object) -> list[str]:
    """A document without the spaces in its texts."""
    return json.dumps(content, sort_keys=True).replace(r"\n", " ").split()


def component(one: dict[str, Any]) -> str:
    labels: dict[str, str] = one["spec"]["template"]["metadata"]["labels"]
    return labels["app.kubernetes.io/component"]


def chosen(policy: dict[str, Any], objects: Objects) -> set[str]:
    """The components that a network policy is about."""
    selector, every = policy["spec"]["podSelector"], {component(one) for one, _ in pods(objects)}
    if not selector:
        return every
    (found,) = selector["matchExpressions"]
    assert (found["key"], found["operator"]) == ("app.kubernetes.io/component", "In")
    assert set(found["values"]) <= every
    return set(found["values"])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(objects: Objects, version: str) -> None:
    unknown = set()
    for one in objects:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(one["kind"])

    assert unknown == CUSTOM


def test_the_base_needs_nothing_that_a_bare_cluster_lacks() -> None:
    assert not {one["kind"] for one in kustomized("base")} & CUSTOM


def test_every_object_is_in_the_namespace_that_the_policies_close(objects: Objects) -> None:
    (namespace,) = named(objects, "Namespace")

    assert {one["metadata"].get("namespace") for one in objects if one["kind"] != "Namespace"} == {namespace}
    assert named(objects, "Namespace")[namespace]["metadata"]["labels"] == {
        "pod-security.kubernetes.io/enforce": "restricted"
    }


def test_every_container_is_guarded(objects: Objects) -> None:
    for _, pod in pods(objects):
        assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
        assert pod["securityContext"].items() >= {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001}.items()
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_every_pod_has_an_account_of_its_own_that_may_do_nothing(objects: Objects) -> None:
    accounts = named(objects, "ServiceAccount")

    assert sorted(pod["serviceAccountName"] for _, pod in pods(objects)) == sorted(accounts)
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())
    assert not {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret"} & {one["kind"] for one in objects}


def test_the_place_of_operators_is_empty_until_one_comes(objects: Objects) -> None:
    assert named(objects, "Deployment")["sftp-connector-operator"]["spec"]["replicas"] == 0


def test_every_image_is_ours_with_a_tag(objects: Objects) -> None:
    images = {container["image"] for _, pod in pods(objects) for container in containers(pod)}

    assert images == {"registry.example/leadbay/sftp-connector:0.1.0"}


def test_every_service_is_asked_for_its_health(objects: Objects) -> None:
    asked = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    deployments = {component(one): one for one in named(objects, "Deployment").values()}

    assert deployments.keys() == {*SERVICES, "operator"}
    for one in map(deployments.__getitem__, SERVICES):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert container["ports"] == [{"name": "http", "containerPort": 9100}]
        assert {name: container[name]["httpGet"] for name in asked} == {
            name: {"path": path, "port": "http"} for name, path in asked.items()
        }
        # A stop is told by SIGTERM alone
        assert "lifecycle" not in container


def test_a_drained_node_takes_one_pod_of_a_service_at_a_time(objects: Objects) -> None:
    budgets = [one["spec"] for one in named(objects, "PodDisruptionBudget").values()]

    assert all(budget["maxUnavailable"] == 1 for budget in budgets)
    selected = [budget["selector"]["matchLabels"]["app.kubernetes.io/component"] for budget in budgets]
    assert sorted(selected) == sorted(SERVICES)


def test_a_selector_finds_the_pods_of_its_own_deployment(objects: Objects) -> None:
    for one in named(objects, "Deployment").values():
        assert one["spec"]["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
        assert one["metadata"]["name"] == f"sftp-connector-{component(one)}"


def test_nothing_is_open_that_no_policy_opens(objects: Objects) -> None:
    closed = named(objects, "NetworkPolicy")["nothing"]["spec"]

    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_each_server_is_reached_by_those_alone_who_need_it(objects: Objects) -> None:
    policies = named(objects, "NetworkPolicy")
    reached = {
        name: chosen(policy, objects)
        for name, policy in policies.items()
        if name not in {"nothing", "names", "metrics"}
    }

    assert reached == {
        "broker": {"scheduler", "fetcher", "importer", "importer-large", "operator"},
        "database": {"scheduler", "importer", "importer-large", "migrate", "operator"},
        "blob-store": {"fetcher", "importer", "importer-large", "operator"},
        "collector": set(SERVICES),
        "customers": {"fetcher"},
    }
    # And by no policy whoever it likes
    for name in ("broker", "database", "blob-store", "collector", "names"):
        (rule,) = policies[name]["spec"]["egress"]
        assert rule["ports"]
        assert all("namespaceSelector" in to or "ipBlock" in to for to in rule["to"])


def test_a_namespace_may_serve_several_servers() -> None:
    policies = {one["metadata"]["name"]: one for one in kustomized("base") if one["kind"] == "NetworkPolicy"}

    for name in ("broker", "database", "blob-store", "collector"):
        (to,) = policies[name]["spec"]["egress"][0]["to"]
        assert to == {"namespaceSelector": {"matchLabels": {f"leadbay.com/serves-{name}": "true"}}}


def test_names_are_asked_of_the_cluster_and_of_the_cache_on_the_node(objects: Objects) -> None:
    asked = named(objects, "NetworkPolicy")["names"]["spec"]["egress"][0]["to"]

    assert [to["podSelector"]["matchLabels"] for to in asked if "podSelector" in to] == [{"k8s-app": "kube-dns"}]
    # The address of NodeLocal DNSCache, which is in the node's network and no pod's
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in asked


def test_the_object_store_that_the_example_names_is_let_through(objects: Objects) -> None:
    (config,) = (one["data"] for one in objects if one["kind"] == "ConfigMap")
    rule = named(objects, "NetworkPolicy")["blob-store"]["spec"]["egress"]

    # Amazon's: at any public address, by https alone
    assert config["blob-url"].startswith("s3://")
    assert "blob-endpoint" not in config
    assert rule == [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"protocol": "TCP", "port": 443}]}]


def test_an_object_store_in_the_cluster_may_be_asked_without_tls(objects: Objects) -> None:
    (policy,) = (one for one in kustomized("base") if one["metadata"]["name"] == "blob-store")
    reads = [
        {variable["name"] for variable in container["env"]}
        for _, pod in pods(objects)
        for container in containers(pod)
        if any(variable["name"] == "SFTP_CONNECTOR_BLOB_URL" for variable in container["env"])
    ]

    assert {port["port"] for port in policy["spec"]["egress"][0]["ports"]} == {443, 8333, 9000}
    assert len(reads) == 4
    assert all("AWS_ALLOW_HTTP" in names for names in reads)


def test_what_failed_to_migrate_leaves_its_log(objects: Objects) -> None:
    (job,) = named(objects, "Job").values()

    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_metrics_are_open_to_the_monitoring_alone(objects: Objects) -> None:
    policy = named(objects, "NetworkPolicy")["metrics"]

    assert chosen(policy, objects) == set(SERVICES)
    (rule,) = policy["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]
    assert all("namespaceSelector" in source for source in rule["from"])


def test_fetchers_reach_the_addresses_that_the_code_calls_public(objects: Objects) -> None:
    (rule,) = named(objects, "NetworkPolicy")["customers"]["spec"]["egress"]
    blocks = [to["ipBlock"] for to in rule["to"]]
    networks: list[IPv4Network | IPv6Network] = [*addresses._NOT_PUBLIC_IPV4, *addresses._NOT_PUBLIC_IPV6]
    networks += [ip_network(closed) for one in blocks for closed in one["except"]]
    edges = {
        str(ip_address(int(edge) + step))
        for network in networks
        for edge, step in ((network[0], -1), (network[0], 0), (network[-1], 0), (network[-1], 1))
        if 0 <= int(edge) + step < 2**network.max_prefixlen
    }
    edges |= {"8.8.8.8", "2a00:1450:4007::1", "fc00::1", "fe80::1", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"}

    def is_open(text: str) -> bool:
        return any(
            ip_address(text) in ip_network(one["cidr"])
            and not any(ip_address(text) in ip_network(closed) for closed in one["except"])
            for one in blocks
        )

    assert len(edges) > 60
    for text in sorted(edges):
        # 6to4 may mean a public place, too, but nobody is found there any more
        assert is_open(text) == (may_connect(text, []) and not text.startswith("2002:")), text
    assert "ports" not in rule


def test_each_queue_has_pods_as_it_has_messages(objects: Objects) -> None:
    queues = {
        "fetcher": contracts.FetchRequested.queue,
        "importer": contracts.ImportRequested.queue,
        "importer-large": contracts.LARGE_IMPORTS,
    }
    scaled = named(objects, "ScaledObject")

    assert scaled.keys() == {f"sftp-connector-{name}" for name in queues}
    for name, queue in queues.items():
        spec = scaled[f"sftp-connector-{name}"]["spec"]
        deployment = named(objects, "Deployment")[spec["scaleTargetRef"]["name"]]
        (trigger,) = spec["triggers"]
        assert component(deployment) == name
        # Whoever sets replicas as well would undo what is scaled, at each update
        assert "replicas" not in deployment["spec"]
        # One pod for as many messages, waiting or in hand, as it has threads
        assert trigger["metadata"] == {
            "protocol": "http",
            "mode": "QueueLength",
            "queueName": queue,
            "value": str(THREADS[name]),
        }
        assert trigger["authenticationRef"]["name"] in named(objects, "TriggerAuthentication")
        assert 1 <= spec["minReplicaCount"] < spec["maxReplicaCount"]


def test_what_is_scaled_has_the_fields_of_a_scaled_object(objects: Objects) -> None:
    for one in named(objects, "ScaledObject").values():
        spec = one["spec"]
        assert spec.keys() == {
            "scaleTargetRef", "pollingInterval", "minReplicaCount", "maxReplicaCount", "advanced", "triggers"
        }  # fmt: skip
        # What it makes of them is an autoscaler, whose schema is at hand
        (behaviour,) = spec["advanced"].values()
        target = {"apiVersion": "apps/v1", "kind": "Deployment"} | spec["scaleTargetRef"]
        limits = {"minReplicas": spec["minReplicaCount"], "maxReplicas": spec["maxReplicaCount"]}
        made = {"scaleTargetRef": target, **limits, **behaviour}
        made |= {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "made"}}
        kubernetes_validate.validate(
            {"spec": {key: made.pop(key) for key in ("scaleTargetRef", *limits, *behaviour)}} | made,
            VERSIONS[-1],
            strict=True,
        )


def test_the_scaler_reads_the_broker_with_a_secret(objects: Objects) -> None:
    (found,) = named(objects, "TriggerAuthentication").values()

    assert found["spec"] == {
        "secretTargetRef": [{"parameter": "host", "name": "sftp-connector-scaler", "key": "management-url"}]
    }


def test_the_monitoring_finds_the_metrics(objects: Objects) -> None:
    (monitor,) = named(objects, "ServiceMonitor").values()
    service = named(objects, "Service")["sftp-connector-metrics"]

    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [one["port"] for one in monitor["spec"]["endpoints"]] == [one["name"] for one in service["spec"]["ports"]]
    assert monitor["spec"]["endpoints"][0]["path"] == "/metrics"
    for name in SERVICES:
        one = named(objects, "Deployment")[f"sftp-connector-{name}"]
        assert service["spec"]["selector"].items() <= one["spec"]["template"]["metadata"]["labels"].items()


def test_the_rules_of_the_operator_are_made_of_the_files_for_prometheus(objects: Objects) -> None:
    assert prometheus_rule.PATH.read_text() == prometheus_rule.text(), "run: python -m deploy.prometheus_rule"

    # What kustomize makes of them differs in spaces alone
    made = {name: words(one["spec"]) for name, one in named(objects, "PrometheusRule").items()}
    assert made == {
        f"sftp-connector-{name}": words(yaml.safe_load((ROOT / f"deploy/prometheus/{name}.yml").read_text()))
        for name in ("rules", "alerts")
    }


def test_the_monitoring_of_the_example_finds_what_it_reads_by_its_release(objects: Objects) -> None:
    read = [one for one in objects if one["kind"] in {"ServiceMonitor", "PrometheusRule"}]

    assert len(read) == 3
    assert all(one["metadata"]["labels"]["release"] == "kube-prometheus-stack" for one in read)


def test_the_job_of_a_service_is_the_one_that_alerts_ask_for(objects: Objects) -> None:
    (monitor,) = named(objects, "ServiceMonitor").values()
    (relabelling,) = monitor["spec"]["endpoints"][0]["relabelings"]
    alerts = (ROOT / "deploy/prometheus/alerts.yml").read_text()

    jobs = {name: re.fullmatch(relabelling["regex"], name) for name in SERVICES}
    assert {found[1] for found in jobs.values() if found} == set(re.findall(r'build_info\{job="(\w+)"\}', alerts))
    assert all(jobs.values())
    assert relabelling["targetLabel"] == "job"


def test_every_file_is_part_of_what_is_made() -> None:
    for folder in KUBERNETES.iterdir():
        content = yaml.safe_load((folder / "kustomization.yaml").read_text())
        used = {
            *content["resources"],
            *(patch.get("path") for patch in content.get("patches", ())),
            "kustomization.yaml",
        }
        assert {path.name for path in folder.iterdir()} <= used, folder


def test_the_page_names_every_secret(objects: Objects) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    wanted = {
        (variable["valueFrom"]["secretKeyRef"]["name"], variable["valueFrom"]["secretKeyRef"]["key"])
        for _, pod in pods(objects)
        for container in containers(pod)
        for variable in container["env"]
        if "secretKeyRef" in variable.get("valueFrom", {})
    } | {("sftp-connector-scaler", "management-url")}

    rows = [line for line in page.splitlines() if line.startswith("| `sftp-connector-")]
    told = {
        (row.split("`")[1], key) for row in rows for key in row.split("|")[2].replace("`", "").replace(",", "").split()
    }
    assert told == wanted
