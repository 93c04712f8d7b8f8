"""Jar files of Kafka and Zipkin: downloaded once from Maven Central, checked by SHA-256, kept in the user's cache."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from local_stack.errors import StackError
from local_stack.options import REPOSITORY

if TYPE_CHECKING:
    from jgo.maven import MavenContext


@dataclass(frozen=True, slots=True)
class Program:
    """A Java program; `<name>-jars.txt`, in lower case, is the lock file with its jars."""

    name: str
    version: str

    @property
    def lock(self) -> str:
        """The text of the lock file."""
        return files("local_stack").joinpath(f"{self.name.lower()}-jars.txt").read_text(encoding="utf-8")


KAFKA = Program("Kafka", "4.3.1")
ZIPKIN = Program("Zipkin", "3.5.1")


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of a lock file: Maven's group, artifact, version and perhaps classifier, and the file's SHA-256."""

    group: str
    artifact: str
    version: str
    classifier: str = ""
    sha256: str = field(kw_only=True)

    @property
    def filename(self) -> str:
        """The file's name in Maven's repository."""
        return f"{'-'.join(filter(None, (self.artifact, self.version, self.classifier)))}.jar"


def cache() -> Path:
    """Return a writable folder for downloads.

    It is in the user's cache, which all checkouts share, or, if that cannot be written, in `.cache` of this checkout.
    StackError if neither can be written.
    """
    home = os.environ.get("HOME") or "/dev/null"
    for caches in (Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache"), REPOSITORY / ".cache"):
        folder = caches / "retail-orders"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise StackError("Kafka's jars need a folder that can be written: set XDG_CACHE_HOME to one")


def folder(program: Program) -> Path:
    """Return the folder of the program's jars. The first call downloads them, with a progress bar.

    Each version of the lock file has its own folder. The folder appears complete or not at all, so that two
    simultaneous starts, or an interrupted one, do no harm. StackError if a jar cannot be downloaded, or is not the
    locked one.
    """
    lock = program.lock
    name = program.name.lower()
    target = cache() / f"{name}-{program.version}-{hashlib.sha256(lock.encode()).hexdigest()[:12]}"
    if not target.is_dir():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=target.parent))
        try:
            _download(f"{program.name} {program.version}", locked(lock), unfinished)
            _publish(unfinished, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target


def locked(lock: str) -> list[Jar]:
    """Return the jars of a lock file."""
    lines = [line.split() for line in lock.splitlines() if line and not line.startswith("#")]
    return [Jar(*coordinates.split(":"), sha256=sha256) for coordinates, sha256 in lines]


def _download(title: str, jars: list[Jar], folder: Path) -> None:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - takes half a second, and only the first start needs it

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns) as progress, tempfile.TemporaryDirectory(dir=folder.parent) as repository:
        task = progress.add_task(f"downloading {title}, once", total=0)

        @contextmanager
        def count(_name: str, size: int) -> Iterator[Callable[[int], None]]:
            progress.update(task, total=(progress.tasks[task].total or 0) + size)
            yield lambda done: progress.update(task, advance=done)

        maven = MavenContext(repo_cache=Path(repository), resolver=PythonResolver(progress_callback=count))
        with ThreadPoolExecutor(8) as pool:
            for jar in pool.map(lambda jar: _download_one(maven, jar, folder), jars):
                progress.update(task, description=f"downloading {title}, once: {jar.artifact}")


def _download_one(maven: "MavenContext", jar: Jar, folder: Path) -> Jar:
    try:
        path = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier).resolve()
    except (OSError, RuntimeError) as error:
        # the HTTP library's own text is long and names its classes
        cause = type(error).__name__ if isinstance(error, OSError) else error
        raise StackError(
            f"{jar.filename} could not be downloaded from Maven Central ({cause}): check the network, or HTTPS_PROXY"
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != jar.sha256:
        raise StackError(f"the downloaded {jar.filename} is not the locked file: its SHA-256 differs")
    path.replace(folder / jar.filename)
    return jar


def _publish(unfinished: Path, target: Path) -> None:
    try:
        unfinished.rename(target)
    except OSError:
        if not target.is_dir():  # another start may have created it meanwhile, with the same files
            raise
