"""The topology of deployments/compose.yaml as processes on this machine: PostgreSQL, Redis, Prefect, one address.

Rule: everything listens on 127.0.0.1, on ports that were free, and is stopped by its own process id.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import redis
from dotenv import dotenv_values

from deployments.local.servers import ChildProcess, clean_environment, free_port
from deployments.local.stack import ROOT

HOST = "127.0.0.1"
DATABASE_USERS = ("postgres", "nobody")
NEEDED = {
    "initdb": "PostgreSQL 14.9 or newer (Debian: apt-get install postgresql, and its bin folder in PATH)",
    "postgres": "PostgreSQL 14.9 or newer (Debian: apt-get install postgresql, and its bin folder in PATH)",
    "redis-server": "Redis (Debian: apt-get install redis-server)",
    "caddy": "Caddy (Debian: apt-get install caddy)",
}
START_SECONDS = 120


@dataclass(frozen=True)
class Cluster:
    """A Prefect server of several processes behind one address.

    Args:
        ui_url: the address; its API is below `/api`.
        environment: makes a client or worker talk to it.
        database_url: for a look at its size.
        logs: the folder of its processes' logs.
        replicas: the processes that answer at the address.
    """

    ui_url: str
    environment: dict[str, str]
    database_url: str
    logs: Path
    replicas: tuple[ChildProcess, ...]

    def database_bytes(self) -> int:
        """Return the size of Prefect's database."""

        async def ask() -> int:
            connection = await asyncpg.connect(self.database_url)
            try:
                return int(await connection.fetchval("select pg_database_size(current_database())"))
            finally:
                await connection.close()

        return asyncio.run(ask())


def missing_programs() -> str:
    """Return a sentence saying what must be installed, or nothing."""
    missing = dict.fromkeys(what for program, what in NEEDED.items() if shutil.which(program) is None)
    return f"The scale test needs {' and '.join(missing)}." if missing else ""


@contextmanager
def cluster(logs: Path, *, replicas: int = 2) -> Iterator[Cluster]:
    """Start everything but workers: database, Redis, migration, API replicas, background services, one address.

    Raises:
        RuntimeError: a server did not start; its log is in the folder of logs.
    """
    with ExitStack() as servers:
        home = Path(servers.enter_context(tempfile.TemporaryDirectory(prefix="diploma-archive-scale-")))
        home.chmod(0o755)  # the database runs as another user
        database_port = servers.enter_context(_postgres(home / "postgres", logs))
        redis_port = servers.enter_context(_redis(home, logs))
        api_ports = [free_port() for _ in range(replicas)]
        ui_url = f"http://{HOST}:{free_port()}"
        client = {
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_API_URL": f"{ui_url}/api",
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
            "DO_NOT_TRACK": "1",
        }
        server = {
            **clean_environment(),
            **client,
            **shared_settings(),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://prefect@{HOST}:{database_port}/prefect",
            "PREFECT_REDIS_MESSAGING_URL": f"redis://{HOST}:{redis_port}/0",
            "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": f"redis://{HOST}:{redis_port}/0",
            "PREFECT_SERVER_DOCKET_URL": f"redis://{HOST}:{redis_port}/1",
            "PREFECT_SERVER_UI_API_URL": f"{ui_url}/api",
        }
        _prefect_once(server, "server", "database", "upgrade", "--yes")
        api: list[ChildProcess] = []
        for number, port in enumerate(api_ports, start=1):
            arguments = ["server", "start", "--no-services", "--host", HOST, "--port", str(port)]
            api.append(_prefect(server, logs / f"api-{number}.log", *arguments, "--log-level", "WARNING"))
            servers.enter_context(api[-1])
            # One after the other, as in compose.yaml: on an empty database two would write the same block types, and
            # one of them would end.
            until_it_answers(f"http://{HOST}:{port}/api/health")
        servers.enter_context(_prefect(server, logs / "services.log", "server", "services", "start"))
        servers.enter_context(_proxy(home, ui_url, api_ports, logs))
        until_it_answers(f"{ui_url}/api/health")
        yield Cluster(ui_url, client, f"postgresql://prefect@{HOST}:{database_port}/prefect", logs, tuple(api))


def shared_settings() -> dict[str, str]:
    """Return the settings that compose.yaml gives all server processes too."""
    return {name: value for name, value in dotenv_values(ROOT / "deployments" / "server.env").items() if value}


def until_it_answers(url: str) -> None:
    """Return as soon as a server answers with 200.

    Raises:
        RuntimeError: it did not in time.
    """

    def asks() -> bool:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url) as answer:
            return bool(answer.status == 200)
        return False

    _wait(asks, f"{url} did not answer in time")


def _wait(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.3)


def _prefect(environment: Mapping[str, str], log: Path, *arguments: str) -> ChildProcess:
    return ChildProcess([sys.executable, "-m", "prefect", *arguments], environment, cwd=ROOT, log=log)


def _prefect_once(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"prefect {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _postgres(folder: Path, logs: Path) -> Iterator[int]:
    """Start an empty PostgreSQL with the database `prefect`, and give its port; never as root."""
    as_its_user: list[str] = []
    folder.mkdir()
    if os.geteuid() == 0:
        user = next(pwd.getpwnam(name) for name in DATABASE_USERS if _exists(name))
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_its_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    port, environment = free_port(), {**clean_environment(), "LC_ALL": "C.UTF-8"}
    made = subprocess.run(
        [*as_its_user, "initdb", "--pgdata", folder / "data", "--username", "prefect", "--auth", "trust", "--no-sync"],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")
    options = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": "200",
    }
    command = [*as_its_user, "postgres", "-D", str(folder / "data")]
    command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with ChildProcess(command, environment, cwd=Path("/"), log=logs / "postgres.log"):
        _wait(lambda: asyncio.run(_made_database(port)), "PostgreSQL did not start")
        yield port


async def _made_database(port: int) -> bool:
    with suppress(OSError, asyncpg.PostgresError):
        connection = await asyncpg.connect(f"postgresql://prefect@{HOST}:{port}/postgres")
        try:
            await connection.execute("create database prefect")
        finally:
            await connection.close()
        return True
    return False


def _exists(user: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(user))
    return False


@contextmanager
def _redis(folder: Path, logs: Path) -> Iterator[int]:
    port = free_port()
    options = ["--bind", HOST, "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with ChildProcess(["redis-server", *options], clean_environment(), log=logs / "redis.log"):

        def answers() -> bool:
            with suppress(redis.ConnectionError), redis.Redis(host=HOST, port=port) as client:
                return bool(client.ping())
            return False

        _wait(answers, "Redis did not start")
        yield port


def _proxy(home: Path, ui_url: str, api_ports: list[int], logs: Path) -> ChildProcess:
    """Return the reverse proxy of compose.yaml, with the same configuration file."""
    environment = {
        **clean_environment(),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "XDG_DATA_HOME": str(home),
        "PROXY_BIND": HOST,
        "PROXY_PORT": ui_url.rpartition(":")[2],
        "API_REPLICAS": " ".join(f"{HOST}:{port}" for port in api_ports),
    }
    file = ROOT / "deployments" / "Caddyfile"
    command = ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]
    return ChildProcess(command, environment, log=logs / "proxy.log")
