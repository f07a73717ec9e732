"""The manifests for Kubernetes, of every combination that has them, as kubectl renders them."""

import base64
import functools
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from linters import checkov, kubernetes_validate
from template import CHOICES, ROOT, Bake, Project, combinations, run, skip
from test_workflows import YAMLLINT

OVERLAYS = ("production", "dev")
COMPONENTS = ("autoscaling", "disruption-budget", "egress", "ingress", "redis")
MIGRATION_LOCK_WAIT = 60  # seconds, in app/db

# Checks of checkov that the manifests do not meet, each with the reason.
IGNORED = {
    "CKV_K8S_43": "the digest of an image is the operator's: the documentation recommends it",
    "CKV_K8S_15": "the dev overlay runs an image that was loaded into the node, never pulled",
}

ANSWERS = {
    name: answers
    for name, answers in combinations()
    if answers["deployment"] == "kubernetes"
    and all(answers[key] == CHOICES[key][0] for key in ("structure", "migrations"))
}

Resource = dict[str, Any]
FolderOf = Callable[[str], Path]


def write_secrets(project: Path) -> None:
    """Write `secrets.env` as the documentation does, for both overlays."""
    page = (project / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```sh\n(cd deploy/.*?secrets\.env.*?)```", page, re.DOTALL)
    for overlay in OVERLAYS:
        run("bash", "-euc", commands.replace("production", overlay), cwd=project)


@functools.cache
def kustomize(folder: Path) -> str:
    """Return what an overlay renders to."""
    if not shutil.which("kubectl"):
        skip("kubectl is not installed")
    return run("kubectl", "kustomize", str(folder), cwd=folder)


@pytest.fixture(scope="session")
def folder_of(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> FolderOf:
    """Copy a project once, with secrets and an overlay that has every component."""
    return functools.cache(
        lambda name: prepared(bake(**ANSWERS[name]), tmp_path_factory.mktemp(name))
    )


def prepared(project: Project, folder: Path) -> Path:
    copy = shutil.copytree(project.path, folder / "project")
    write_secrets(copy)
    overlays = copy / "deploy" / "kubernetes" / "overlays"
    everything = shutil.copytree(overlays / "production", overlays / "everything")
    file = everything / "kustomization.yaml"
    file.write_text(file.read_text().replace("# - ../../components", "- ../../components"))
    return copy


@pytest.fixture(params=ANSWERS)
def folder(folder_of: FolderOf, request: pytest.FixtureRequest) -> Path:
    return folder_of(request.param)


def resources(project: Path, overlay: str = "production") -> dict[str, Resource]:
    """Return the rendered resources of an overlay by `Kind/name`, without the names' hashes."""
    rendered = kustomize(project / "deploy/kubernetes/overlays" / overlay)
    documents = yaml.load_all(rendered, yaml.CSafeLoader)
    return {
        f"{d['kind']}/{re.sub(r'-[a-z0-9]{10}$', '', d['metadata']['name'])}": d for d in documents
    }


def pod_of(deployment: Resource) -> Resource:
    return deployment["spec"]["template"]["spec"]


def containers_of(deployment: Resource) -> list[Resource]:
    pod = pod_of(deployment)
    return [*pod.get("initContainers", []), *pod["containers"]]


# --- Linters


def rendered_files(folder_of: FolderOf, target: Path) -> list[Path]:
    """Write every overlay of every project into one folder."""
    files = []
    for name in ANSWERS:
        for overlay in (*OVERLAYS, "everything"):
            file = target / f"{name}-{overlay}.yaml"
            file.write_text(kustomize(folder_of(name) / "deploy/kubernetes/overlays" / overlay))
            files.append(file)
    return files


@pytest.mark.slow
def test_manifests_follow_the_schemas_of_kubernetes(folder_of: FolderOf, tmp_path: Path) -> None:
    files = rendered_files(folder_of, tmp_path)
    documents = sum(file.read_text().count("\nkind: ") for file in files)

    output = kubernetes_validate(*files)

    assert len(files) == 3 * len(ANSWERS) > 10
    assert output.count(" passed for resource ") == documents
    bad = tmp_path / "bad.yaml"
    bad.write_text(files[0].read_text().replace("livenessProbe:", "livenessProbee:"))
    with pytest.raises(pytest.fail.Exception, match="livenessProbee"):
        kubernetes_validate(bad)


@pytest.mark.slow
def test_checkov_finds_nothing(folder_of: FolderOf, tmp_path: Path) -> None:
    files = rendered_files(folder_of, tmp_path)
    bad = tmp_path / "bad.yaml"
    bad.write_text(files[0].read_text().replace("readOnlyRootFilesystem: true", "tty: false"))

    report = checkov(tmp_path, "kubernetes")

    failed = {file: set() for file, _ in report.failed} | {"/bad.yaml": set()}
    for file, check in report.failed:
        failed[file].add(check)
    assert failed.pop("/bad.yaml") >= {"CKV_K8S_22"}
    for file, checks in failed.items():
        assert checks <= IGNORED.keys(), file
        assert "CKV_K8S_15" not in checks or file.endswith("-dev.yaml")
    assert {f"/{file.name}" for file in files} <= {file for file, _ in report.passed}
    assert {check for _, check in report.failed} >= IGNORED.keys(), "a reason is out of date"


def test_yamllint_finds_nothing(folder: Path) -> None:
    deploy = folder / "deploy"
    assert len(list(deploy.rglob("*.yaml"))) > 15

    # The indentation of Kubernetes' own documentation.
    run("yamllint", "--strict", "-d", YAMLLINT, deploy, cwd=folder)


# --- Configuration


def test_settings_and_secrets_are_variables_of_the_service(folder: Path) -> None:
    known = set(re.findall(r"^#? ?([A-Z_]+)=", (folder / ".env.example").read_text(), re.MULTILINE))

    for overlay in OVERLAYS:
        rendered = resources(folder, overlay)
        given = {*rendered["ConfigMap/settings"]["data"]}
        given |= {*rendered["Secret/secrets"].get("data", {})}
        assert given <= known | {"REDIS_CONF"}
        assert "ALLOWED_HOSTS" in given


def test_secrets_are_mounted_as_files_and_never_variables(folder: Path) -> None:
    for deployment in (d for d in resources(folder, "everything").values() if is_deployment(d)):
        (volume,) = [v for v in pod_of(deployment)["volumes"] if v["name"] == "secrets"]
        # The pod's user is not the owner: the group of `fsGroup` reads.
        assert volume["secret"]["defaultMode"] == 0o440
        assert pod_of(deployment)["securityContext"]["fsGroup"] > 10000
        for container in containers_of(deployment):
            assert "secretRef" not in str(container)
            assert "secretKeyRef" not in str(container)
            (mount,) = [m for m in container["volumeMounts"] if m["name"] == "secrets"]
            assert mount["readOnly"] is True
            folder_of_secrets = {e["name"]: e["value"] for e in container.get("env", [])}
            assert folder_of_secrets.get("SECRETS_DIR", mount["mountPath"]) == mount["mountPath"]


def is_deployment(resource: Resource) -> bool:
    return resource["kind"] == "Deployment"


def test_changed_settings_and_secrets_roll_the_pods(folder: Path) -> None:
    names = [
        (resource["kind"], resource["metadata"]["name"])
        for resource in resources(folder).values()
        if resource["kind"] in {"ConfigMap", "Secret"}
    ]

    assert len(names) == 2
    pod = str(pod_of(resources(folder)["Deployment/api"]))
    for kind, name in names:
        assert re.search(r"-[a-z0-9]{10}$", name), kind
        assert f"'{name}'" in pod


def test_secrets_of_the_documentation_are_ignored_by_git(folder: Path) -> None:
    run("git", "init", "--quiet", ".", cwd=folder)
    tracked = run("git", "ls-files", "--others", "--exclude-standard", cwd=folder).splitlines()

    assert "deploy/kubernetes/overlays/production/settings.env" in tracked
    assert not [file for file in tracked if file.endswith("secrets.env")]
    for overlay in OVERLAYS:
        file = folder / "deploy/kubernetes/overlays" / overlay / "secrets.env"
        assert file.stat().st_mode & 0o777 == 0o600


def test_manifests_hold_no_secret(bake: Bake) -> None:
    for answers in ANSWERS.values():
        deploy = bake(**answers).path / "deploy"
        texts = [path.read_text() for path in deploy.rglob("*") if path.is_file()]
        assert len(texts) > 15
        assert not [text for text in texts if re.search(r"kind: Secret|://[^/ ]+:[^/ ]+@", text)]


def test_redis_reads_its_password_from_the_secret(folder: Path) -> None:
    if not (folder / "deploy/kubernetes/components/redis").exists():
        assert not (folder / "app" / "auth").exists()
        return
    secrets = resources(folder, "everything")["Secret/secrets"]["data"]
    (volume,) = [
        v
        for v in pod_of(resources(folder, "everything")["Deployment/redis"])["volumes"]
        if v["name"] == "secrets"
    ]

    conf, url = (base64.b64decode(secrets[key]).decode() for key in ("REDIS_CONF", "REDIS_URL"))
    assert conf.split() == ["requirepass", url.partition("://:")[2].partition("@")[0]]
    assert volume["secret"]["items"] == [{"key": "REDIS_CONF", "path": "redis.conf"}]


# --- Arithmetic


def test_stop_budget_covers_pre_stop_and_drain(folder: Path) -> None:
    for overlay in OVERLAYS:
        rendered = resources(folder, overlay)
        pod = pod_of(rendered["Deployment/api"])
        drain = int(rendered["ConfigMap/settings"]["data"]["SHUTDOWN_TIMEOUT"])
        pre_stop = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

        assert pre_stop >= 5
        assert pod["terminationGracePeriodSeconds"] > pre_stop + drain + 5


def test_probes_and_deadline_outlast_the_wait_for_a_migration(folder: Path) -> None:
    deployment = resources(folder)["Deployment/api"]
    (container,) = pod_of(deployment)["containers"]
    probe = container["startupProbe"]
    budget = probe["failureThreshold"] * probe["periodSeconds"]

    assert budget > MIGRATION_LOCK_WAIT
    assert deployment["spec"]["progressDeadlineSeconds"] > MIGRATION_LOCK_WAIT + budget
    tree = ROOT / "{{cookiecutter.project_slug}}"
    assert f"'{MIGRATION_LOCK_WAIT}s'" in (tree / "app/db/postgresql.py").read_text()


def test_probes_ask_the_right_routes_of_a_port_that_exists(folder: Path) -> None:
    (container,) = pod_of(resources(folder)["Deployment/api"])["containers"]
    probes = {name: container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}

    assert {name: probe["httpGet"]["path"] for name, probe in probes.items()} == {
        "startup": "/api/v1/health",
        "liveness": "/api/v1/health",
        "readiness": "/api/v1/ready",
    }
    assert {p["httpGet"]["port"] for p in probes.values()} == {
        p["name"] for p in container["ports"]
    }
    assert all(probe["timeoutSeconds"] <= probe["periodSeconds"] for probe in probes.values())
    # /api/v1/ready gives its checks two seconds.
    assert probes["readiness"]["timeoutSeconds"] > 2


# --- Resources that name each other


def test_services_and_policies_select_pods_and_ports_that_exist(folder: Path) -> None:
    rendered = resources(folder, "everything")
    pods = [d["spec"]["template"] for d in rendered.values() if is_deployment(d)]
    ports = {p["name"] for pod in pods for c in pod["spec"]["containers"] for p in c["ports"]}

    services = [r for r in rendered.values() if r["kind"] == "Service"]
    assert len(services) == len(pods)
    for service in services:
        wanted = service["spec"]["selector"].items()
        assert [p for p in pods if wanted <= p["metadata"]["labels"].items()], service
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for deployment in filter(is_deployment, rendered.values()):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
    policies = [r for r in rendered.values() if r["kind"] == "NetworkPolicy"]
    ingress = [rule for p in policies for rule in p["spec"].get("ingress", [])]
    assert {port["port"] for rule in ingress for port in rule["ports"]} <= ports
    budget = rendered["PodDisruptionBudget/api"]["spec"]
    assert budget["selector"]["matchLabels"].items() <= pods[0]["metadata"]["labels"].items()
    backend = rendered["Ingress/api"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend == {"service": {"name": "api", "port": {"name": "http"}}}


def test_pods_are_three_and_replaced_without_a_gap(folder: Path) -> None:
    deployment = resources(folder)["Deployment/api"]["spec"]

    assert deployment["replicas"] == 3
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert resources(folder)["PodDisruptionBudget/api"]["spec"]["maxUnavailable"] == 1
    assert pod_of({"spec": deployment})["enableServiceLinks"] is False


def test_autoscaler_owns_the_number_of_pods(folder: Path) -> None:
    rendered = resources(folder, "everything")

    assert "replicas" not in rendered["Deployment/api"]["spec"]
    autoscaler = rendered["HorizontalPodAutoscaler/api"]["spec"]
    assert autoscaler["minReplicas"] == 3
    assert autoscaler["scaleTargetRef"]["name"] == "api"


def test_namespace_enforces_the_restricted_standard(folder: Path) -> None:
    for overlay in OVERLAYS:
        rendered = resources(folder, overlay)
        (namespace,) = [r["metadata"] for r in rendered.values() if r["kind"] == "Namespace"]
        assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        assert {r["metadata"].get("namespace") for r in rendered.values()} == {
            None,
            namespace["name"],
        }


def test_migrations_run_before_the_pod_starts(folder: Path) -> None:
    pod = pod_of(resources(folder)["Deployment/api"])
    has_database = (folder / "app" / "db").exists()

    assert [c["args"] for c in pod.get("initContainers", [])] == [["migrate"]] * has_database
    for container in pod.get("initContainers", []):
        for key in ("image", "env", "envFrom", "volumeMounts", "securityContext", "resources"):
            assert container[key] == pod["containers"][0][key]


def test_files_for_containers_are_those_of_docker(bake: Bake) -> None:
    kubernetes = next(a for a in ANSWERS.values() if a["database"] != "none")
    owned = ("Dockerfile", ".dockerignore", "compose", "docker/", "docs/docker.md", "Makefile")
    files = [
        {file: text for file, text in bake(**answers).texts if file.startswith(owned)}
        for answers in (kubernetes, kubernetes | {"deployment": "docker"})
    ]

    assert len(files[0]) > 5
    assert files[0] == files[1]
