"""The files under deploy/ are valid, and their commands, settings, probes and metrics exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runner.commands.run_command import run_command
from runner.commands.worker import _AFTER_GRACE_S
from runner.configuration import SECRETS_VARIABLE, load
from runner.configuration.groups import RunnerLimits
from runner.processes.health import health_app
from runner.program import cli
from runner.web.guard import _OPEN_PATHS
from settings.environment import Settings
from settings.groups import QUEUE_NAMES
from tests.house.test_monitoring import served
from tests.house.test_settings_documented import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted((DEPLOY / "kubernetes").rglob("*.yaml"))
ADAPTER = DEPLOY / "prometheus-adapter-values.yaml"
GRACE_S = RunnerLimits().grace_s
STOP_S = GRACE_S + _AFTER_GRACE_S + 10
"""The time that a worker may take to stop, plus ten seconds to spare."""


def _parts() -> Iterator[dict[str, Any]]:
    """Yield every object of the manifests."""
    for file in MANIFESTS:
        yield from yaml.safe_load_all(file.read_text(encoding="utf-8"))


def _compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def _pods() -> dict[str, dict[str, Any]]:
    """Return each deployment's pod, by name."""
    return {
        part["metadata"]["name"]: part["spec"]["template"]["spec"]
        for part in _parts()
        if part["kind"] == "Deployment"
    }


def _unit(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]\w+=", line))


def _commands() -> list[list[str]]:
    """Return the `pipeline` command of each file."""
    found = [_unit(file)["ExecStart"].replace("%i", QUEUE_NAMES[0]).split()[1:] for file in UNITS]
    found += [one["command"] for one in _compose()["services"].values() if "build" in one]
    found += [pod["containers"][0]["args"] for pod in _pods().values()]
    return found


def test_commands_and_their_options_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """`pipeline` knows every command and option in units, services and pods."""
    commands = _commands()
    wrong = [
        f"{command}: {capsys.readouterr().err.strip()}"
        for command in commands
        if run_command(cli, [*command, "--help"], expected=tuple) != 0
    ]

    assert len(commands) == 2 + 2 * (len(QUEUE_NAMES) + 1)
    assert wrong == []


def test_compose_and_kubernetes_work_every_queue() -> None:
    """Every queue has a worker in these files."""
    named = [command[1] for command in _commands() if command[0] == "worker"]

    assert sorted(named) == sorted([QUEUE_NAMES[0], *QUEUE_NAMES, *QUEUE_NAMES])


def test_settings_exist_and_have_their_defaults_of_the_grace_time() -> None:
    """Every variable is a setting, and the grace time is the default."""
    units = (DEPLOY / "systemd" / "pipeline.env").read_text(encoding="utf-8").splitlines()
    given = [dict(line.split("=", 1) for line in units if line and not line.startswith("#"))]
    given += [one["environment"] for one in _compose()["services"].values() if "build" in one]
    given += [part["data"] for part in _parts() if part["kind"] == "ConfigMap"]
    given += [
        {one["name"]: one["value"] for one in pod["containers"][0].get("env", ())}
        for pod in _pods().values()
    ]
    known = {name for name, _ in settings_of(Settings.model_fields)} | {SECRETS_VARIABLE}

    assert {name for variables in given for name in variables} - known == set()
    graces = [one["RUNNER__GRACE_S"] for one in given if "RUNNER__GRACE_S" in one]
    assert len(graces) >= 3
    assert {float(one) for one in graces} == {GRACE_S}


def test_workers_are_given_the_time_that_they_take_to_stop() -> None:
    """Workers have enough time to settle their jobs before they are killed."""
    worker = DEPLOY / "systemd" / "pipeline-worker@.service"
    stop_times = [float(_unit(worker)["TimeoutStopSec"])]
    stop_times += [
        float(one["stop_grace_period"].removesuffix("s"))
        for one in _compose()["services"].values()
        if one.get("command", [""])[0] == "worker"
    ]
    stop_times += [
        float(pod["terminationGracePeriodSeconds"])
        for name, pod in _pods().items()
        if "worker" in name
    ]

    assert len(stop_times) == 1 + 2 * len(QUEUE_NAMES)
    assert set(stop_times) == {STOP_S}


def test_worker_unit_signals_only_the_supervisor() -> None:
    """Only the supervisor gets signals: a second SIGTERM would stop at once, SIGHUP kill."""
    unit = _unit(DEPLOY / "systemd" / "pipeline-worker@.service")

    assert unit["KillMode"] == "mixed"
    assert unit["KillSignal"] == "SIGTERM"
    assert "--memory-limit-mb" in unit["ExecStart"]
    assert "-HUP $MAINPID" in unit["ExecReload"]


def test_probes_ask_for_what_is_served() -> None:
    """Each probe uses a page without login, on a port of the pod."""
    pages = {route.path for route in health_app([]).routes}  # type: ignore[attr-defined]  # Route
    for name, pod in _pods().items():
        (container,) = pod["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[kind]["httpGet"]
            assert asked["path"] in (pages if "worker" in name else _OPEN_PATHS), (name, kind)
            assert asked["port"] in ports, (name, kind)
        if "worker" in name:
            assert str(ports["health"]) == container["args"][-1]
    for name, one in _compose()["services"].items():
        (path,) = re.findall(r"http://127\.0\.0\.1:\d+(/\w+)", str(one["healthcheck"])) or [None]
        assert path is None or path in pages | _OPEN_PATHS, name


def test_autoscalers_ask_for_metrics_that_are_served() -> None:
    """Each worker deployment is scaled by its own queue's wait."""
    scaled = {
        part["spec"]["scaleTargetRef"]["name"]: part
        for part in _parts()
        if "keda" in str(part["apiVersion"])
    }

    assert set(scaled) == {f"pipeline-worker-{queue}" for queue in QUEUE_NAMES}
    for queue in QUEUE_NAMES:
        (trigger,) = scaled[f"pipeline-worker-{queue}"]["spec"]["triggers"]
        query = trigger["metadata"]["query"]
        assert set(re.findall(r"pipeline_\w+", query)) <= served()
        assert f'queue="{queue}"' in query


def test_autoscalers_without_keda_ask_for_the_same() -> None:
    """Each uses its queue's wait by the adapter's rule, and scales like KEDA's."""
    (rule,) = yaml.safe_load(ADAPTER.read_text(encoding="utf-8"))["rules"]["external"]
    (series,) = re.findall(r'__name__="(\w+)"', rule["seriesQuery"])
    assert {series, *re.findall(r"pipeline_\w+", rule["metricsQuery"])} <= served()
    of_keda = {
        part["metadata"]["name"]: part["spec"]
        for part in _parts()
        if part["kind"] == "ScaledObject"
    }
    of_kubernetes = {
        part["metadata"]["name"]: part["spec"]
        for part in _parts()
        if part["kind"] == "HorizontalPodAutoscaler"
    }
    assert set(of_kubernetes) == set(of_keda)
    for queue in QUEUE_NAMES:
        name = f"pipeline-worker-{queue}"
        ours, theirs = of_kubernetes[name], of_keda[name]
        (metric,) = ours["metrics"]
        (trigger,) = theirs["triggers"]
        asked = metric["external"]["metric"]
        assert asked == {"name": series, "selector": {"matchLabels": {"queue": queue}}}
        matched = rule["metricsQuery"].replace("<<.Series>>", series)
        query = matched.replace("<<.LabelMatchers>>", f'queue="{queue}"')
        assert query.strip() == trigger["metadata"]["query"].strip()
        assert metric["external"]["target"]["averageValue"] == trigger["metadata"]["threshold"]
        assert ours["scaleTargetRef"]["name"] == theirs["scaleTargetRef"]["name"] == name
        bounds = ours["minReplicas"], ours["maxReplicas"]
        assert bounds == (theirs["minReplicaCount"], theirs["maxReplicaCount"])


def test_kubernetes_names_agree() -> None:
    """Budgets and services select existing pods; named claims and maps exist."""
    labels = [
        part["spec"]["template"]["metadata"]["labels"]
        for part in _parts()
        if part["kind"] == "Deployment"
    ]
    for part in _parts():
        spec = part.get("spec", {})
        if part["kind"] in {"PodDisruptionBudget", "Service", "Deployment"}:
            wanted = spec["selector"].get("matchLabels", spec["selector"])
            assert sum(wanted.items() <= one.items() for one in labels) == 1, part["metadata"]
    names = {(part["kind"], part["metadata"]["name"]) for part in _parts()}
    for pod in _pods().values():
        claim = pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
        assert ("PersistentVolumeClaim", claim) in names
        assert ("ConfigMap", pod["containers"][0]["envFrom"][0]["configMapRef"]["name"]) in names


def test_redis_of_compose_loses_nothing() -> None:
    """Compose's Redis writes to disk and never evicts jobs."""
    words = " ".join(_compose()["services"]["redis"]["command"])

    assert "--appendonly yes" in words
    assert "--maxmemory-policy noeviction" in words


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_units_are_understood_by_systemd(tmp_path: Path) -> None:
    """systemd accepts the units, apart from the program, which is not installed here."""
    program = tmp_path / "pipeline"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for file in UNITS:
        text = file.read_text(encoding="utf-8")
        text = text.replace("/opt/pipeline/.venv/bin/pipeline", str(program))
        (tmp_path / file.name).write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / file.name) for file in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_confined(unit: Path) -> None:
    """The exposure that systemd computes is below 2.0 of 10."""
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=19", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    (exposure,) = re.findall(r"Overall exposure level for \S+: (\d+\.\d)", checked.stdout)

    assert float(exposure) < 2.0
    assert checked.returncode == 0


def _secrets(folder: Path) -> set[str]:
    """Make the secrets of Compose in *folder*, and return their names."""
    subprocess.run(["sh", DEPLOY / "make-secrets.sh", folder], check=True)
    return {file.name for file in folder.iterdir()}


def test_secrets_are_made_once_and_are_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run changes none; Compose names each, and what a service gets can be read there."""
    made = _secrets(tmp_path / "secrets")
    before = {name: (tmp_path / "secrets" / name).read_text() for name in made}
    assert _secrets(tmp_path / "secrets") == made
    assert before == {name: (tmp_path / "secrets" / name).read_text() for name in made}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert set(_compose()["secrets"]) == made
    assert {one["file"] for one in _compose()["secrets"].values()} == {
        f"secrets/{name}" for name in made
    }
    known = {name.lower() for name, _ in settings_of(Settings.model_fields)}
    for name, service in _compose()["services"].items():
        if "build" not in service:
            continue
        given = {
            one if isinstance(one, str) else one["target"]: before[
                one if isinstance(one, str) else one["source"]
            ]
            for one in service["secrets"]
        }
        assert set(given) <= known
        folder = tmp_path / name
        folder.mkdir()
        for setting, value in given.items():
            (folder / setting).write_text(value)
        monkeypatch.setenv(SECRETS_VARIABLE, str(folder))
        settings = load(Settings)
        user = "pages" if name == "web" else "worker"
        password = before[f"redis_{user}_password"]
        assert settings.redis_url == f"redis://{user}:{password}@redis:6379/0"
        assert settings.database_url == given["database_url"]
        assert bool(settings.web.token) == (name == "web")


def test_compose_holds_no_password_and_confines_what_it_runs() -> None:
    """Passwords come from files; containers write to their volumes alone, and gain no rights."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert re.findall(r"(?i)(?:password|token|secret)\w*: *[^\s{/\[]", text) == []
    assert "://" not in re.sub(r"https?://127\.0\.0\.1", "", text)
    for name, service in _compose()["services"].items():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert set(service["networks"]) <= {"stores", "outside"}
        if name != "postgres":  # its image starts as root, and then becomes its own user
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
        if "build" not in service:
            assert service["networks"] == ["stores"]
            assert "ports" not in service
    assert _compose()["networks"]["stores"] == {"internal": True}


def test_pods_keep_to_the_restricted_standard() -> None:
    """Every rule of it that concerns them; and their root is read-only, without any account."""
    for name, pod in _pods().items():
        assert pod["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"persistentVolumeClaim", "secret", "emptyDir"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert all("hostPort" not in port for port in container["ports"])
            assert "secretRef" not in str(container["envFrom"])
            mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert set(mounted) == {volume["name"] for volume in pod["volumes"]}
            (settings,) = [part["data"] for part in _parts() if part["kind"] == "ConfigMap"]
            assert mounted["secrets"] == settings[SECRETS_VARIABLE]


def test_network_policies_select_every_pod_and_let_in_to_the_pages_alone() -> None:
    """Everything else is closed: a policy that selects a pod refuses what none allows."""
    policies = {
        part["metadata"]["name"]: part["spec"]
        for part in _parts()
        if part["kind"] == "NetworkPolicy"
    }
    of_all = policies["pipeline"]
    assert of_all["podSelector"] == {"matchLabels": {"app": "pipeline"}}
    assert of_all["policyTypes"] == ["Ingress", "Egress"]
    assert of_all["ingress"] == []
    labels = [
        part["spec"]["template"]["metadata"]["labels"]
        for part in _parts()
        if part["kind"] == "Deployment"
    ]
    assert all(one["app"] == "pipeline" for one in labels)
    (page,) = [one for one in labels if one.get("part") == "web"]
    assert policies["pipeline-web"]["podSelector"]["matchLabels"].items() <= page.items()
    assert [name for name, spec in policies.items() if spec.get("ingress")] == ["pipeline-web"]
    (outside,) = policies["pipeline-workers"]["egress"]
    refused = {
        network for to in outside["to"] for network in map(ip_network, to["ipBlock"]["except"])
    }
    for private in ("10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "fd00::1"):
        assert any(ip_address(private) in network for network in refused), private


def test_image_has_what_production_needs_alone() -> None:
    """
    Its packages are those of `make production`, and its base's digest can be named.

    This reads the text: no image is built here.
    """
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "ARG BASE_DIGEST=\n" in text
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases == ["${BASE}${BASE_DIGEST:+@${BASE_DIGEST}}"] * 2
    build, final = text.split("\nFROM ")[1:]
    assert "make production VENV=/opt/pipeline" in build
    assert "make setup" not in text
    assert "apt-get" not in final
    assert re.findall(r"COPY (.*)", final) == ["--from=build /opt/pipeline /opt/pipeline"]
    assert "USER 10001" in final
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "deploy/secrets" in ignored
    makefile = (DEPLOY.parent / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^production:.*?\n\n", makefile, re.MULTILINE | re.DOTALL)
    assert recipe is not None
    assert "--constraints $(LOCK) --build-constraints $(LOCK) '.[all]'" in recipe[0]
    assert "--group" not in recipe[0]
