"""The image holds what runs, and each of its commands starts from it."""

import json
import re

import pytest

from deploy.roles import PASSWORDS
from services.importer.settings import Settings
from shared.settings import ServiceSettings
from tests.unit.deploy.certified import CertifiedDatabase
from tests.unit.deploy.dockerfile import DOCKERFILE, ROOT, Stage, built, instructions

REQUIRED = {
    "services.scheduler": {"AMQP_URL", "DATABASE_URL", "SEAL_PUBLIC_KEY"},
    "services.fetcher": {"AMQP_URL", "BLOB_URL", "SEAL_PRIVATE_KEYS"},
    "services.importer": {"AMQP_URL", "DATABASE_URL", "BLOB_URL"},
    "shared.migrate": {"DATABASE_URL"},
    "deploy.roles": {"DATABASE_URL"},
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The image without its packages."""
    return built(tmp_path_factory.mktemp("image"), run=False)


@pytest.fixture(scope="module")
def whole_image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The image with the packages that it installs."""
    return built(tmp_path_factory.mktemp("whole-image"), run=True)


def missing(image: Stage, module: str) -> set[str]:
    """What a command says that it lacks, when it is started with nothing."""
    done = image.start(module)
    assert done.returncode == 2, done.stderr
    return set(re.findall(r"^SFTP_CONNECTOR_(\w+): Field required$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize("module", REQUIRED)
def test_a_command_started_with_nothing_lists_what_it_lacks(image: Stage, module: str) -> None:
    assert missing(image, module) == REQUIRED[module]


def test_roles_are_not_let_in_while_a_password_is_missing(image: Stage) -> None:
    # Given all that is needed but one password
    *given, lacking = PASSWORDS.values()
    # When the roles are to be let in, then nothing is tried
    done = image.start(
        "deploy.roles",
        SFTP_CONNECTOR_DATABASE_URL="postgresql://owner:secret@127.0.0.1:1/none",
        **dict.fromkeys(given, "x"),
    )
    assert (done.returncode, done.stderr) == (2, f"{lacking}: missing\n")


def test_the_operators_command_starts(image: Stage) -> None:
    done = image.start("deploy.command", "--help")

    assert done.returncode == 0, done.stderr
    assert "sftp-connector" in done.stdout


def test_a_database_is_believed_whose_certificate_an_authority_of_the_image_signed(image: Stage) -> None:
    # Given an image with an authority, and a database that shows a certificate of it
    authorities = image.path("/etc/ssl/certs/ca-certificates.crt")
    authorities.parent.mkdir(parents=True)
    with CertifiedDatabase() as database:
        authorities.write_bytes(database.certificate)
        url = f"postgresql://owner:secret@localhost:{database.port}/leadbay?sslmode=verify-full&sslrootcert=system"

        # When it is called by its name, then it is spoken to
        done = image.start("shared.migrate", SFTP_CONNECTOR_DATABASE_URL=url)
        assert "nobody is let in" in done.stderr

        # And by another name it is not
        done = image.start("shared.migrate", SFTP_CONNECTOR_DATABASE_URL=url.replace("localhost", "127.0.0.1"))
        assert 'does not match host name "127.0.0.1"' in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_image_has_every_package_that_its_commands_need(whole_image: Stage) -> None:
    for module, names in REQUIRED.items():
        assert missing(whole_image, module) == names
    assert whole_image.start("deploy.command", "--help").returncode == 0
    # But for those that send spans, and whoever wants them is told
    done = whole_image.start("services.fetcher", SFTP_CONNECTOR_OTLP_ENDPOINT="http://collector:4318/v1/traces")
    assert "SFTP_CONNECTOR_OTLP_ENDPOINT: The packages that send spans are missing" in done.stderr
    # And nothing has to be compiled where nothing can be written
    sources = list(whole_image.path("/app").rglob("*.py"))
    assert {path.stem for path in sources} == {
        path.name.split(".")[0] for path in whole_image.path("/app").rglob("*.pyc")
    }


def test_only_what_runs_is_in_the_image(image: Stage) -> None:
    files = {str(path.relative_to(image.path("/app"))) for path in image.path("/app").rglob("*") if path.is_file()}

    assert {name.split("/")[0] for name in files} == {"requirements.txt", "shared", "services", "deploy"}
    assert {name for name in files if name.startswith("deploy/") and "/command/" not in name} == {
        "deploy/__init__.py",
        "deploy/configuration.py",
        "deploy/roles.py",
    }
    every_source = {
        str(path.relative_to(ROOT)) for folder in ("shared", "services") for path in (ROOT / folder).rglob("*.py")
    }
    assert every_source < files
    assert {f"shared/migrations/{path.name}" for path in (ROOT / "shared/migrations").glob("*.sql")} < files
    assert not [name for name in files if "__pycache__" in name or name.endswith(".pyc")]


def test_the_image_needs_no_root_and_no_shell(image: Stage) -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", image.said["USER"])
    for name in ("CMD", "HEALTHCHECK"):
        assert json.loads(image.said[name][image.said[name].index("[") :])[0] == "python"
    assert image.said["STOPSIGNAL"] == "SIGTERM"


def test_the_image_serves_and_watches_the_port_of_the_settings(image: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTP_CONNECTOR_AMQP_URL", "amqp://none")
    for name in ("SFTP_CONNECTOR_HTTP_HOST", "SFTP_CONNECTOR_HTTP_PORT"):
        monkeypatch.setenv(name, image.environment[name])
    settings = ServiceSettings()

    assert (settings.http_host, str(settings.http_port)) == ("0.0.0.0", image.said["EXPOSE"])
    assert settings.http_port == Settings.model_fields["http_port"].default
    assert f"http://127.0.0.1:{settings.http_port}/healthz" in image.said["HEALTHCHECK"]


def test_what_a_process_loads_and_writes_is_settled(image: Stage) -> None:
    # Modules of the image alone, each log line at once, no bytecode
    expected = {"PYTHONPATH": "/app", "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    assert expected.items() <= image.environment.items()


@pytest.mark.parametrize("requirements", ["requirements.txt", "requirements-otel.txt"])
def test_every_package_is_checked_against_its_hash(requirements: str) -> None:
    runs = [
        argument for name, argument in instructions(DOCKERFILE.read_text()) if name == "RUN" and "install" in argument
    ]

    assert len(runs) == 1
    assert {"--require-hashes", "${REQUIREMENTS}"} <= set(runs[0].split())
    assert (ROOT / requirements).read_text().count("--hash=sha256:") > 100


def test_the_base_has_a_tag_of_a_python_that_the_project_takes(image: Stage) -> None:
    tag = re.fullmatch(r"python:3\.(\d+)-slim-\w+", image.base)

    assert tag
    assert f">=3.{tag[1]}" == re.search(r'requires-python = "(.*)"', (ROOT / "pyproject.toml").read_text())[1]  # type: ignore[index]
