"""The programs of Apache Kafka: a Java to run them, and the jars that infra/kafka/pom.xml names."""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

from infra.stack.errors import StackError
from infra.stack.process import ChildProcess

POM = Path(__file__).parents[1] / "kafka" / "pom.xml"
JAVA_NEEDED = 17
LIB_VARIABLE = "ONHAND_KAFKA_LIB"


def find_java() -> Path:
    """A Java of version 17 or newer, from JAVA_HOME or else the PATH. StackError when there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    remedy = f"install a Java of version {JAVA_NEEDED} or newer (on Debian: apt-get install openjdk-17-jre-headless)"
    if found is None:
        raise StackError(
            f"Apache Kafka needs Java and there is none in {'JAVA_HOME' if home else 'the PATH'}: {remedy}"
        )
    answer = subprocess.run([found, "-version"], check=False, capture_output=True, text=True)
    version = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    if version is None or int(version[1]) < JAVA_NEEDED:
        seen = version[1] if version else "no version"
        raise StackError(f"Apache Kafka needs Java {JAVA_NEEDED}, and {found} says {seen}: {remedy}")
    return Path(found)


def find_jars() -> Path | None:
    """The directory with the jars, when they were fetched before."""
    directory = _directory()
    return directory if (directory / f"kafka_2.13-{_version()}.jar").exists() else None


def fetch_jars(process: ChildProcess) -> Path:
    """Fetch the jars (120 MB, once) with Maven as `process`; their directory. StackError when that fails.

    Who comes while another process fetches them waits for it.
    """
    directory = _directory()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name("fetching.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return find_jars() or _fetch(directory, process)


def _fetch(directory: Path, process: ChildProcess) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError(
            "Apache Kafka is fetched with Maven and there is no `mvn` in the PATH: install it (on Debian: apt-get "
            f"install maven), or put Kafka's jars into a directory and name it in {LIB_VARIABLE}"
        )
    draft = directory.with_name(f"{directory.name}.{os.getpid()}")
    process.start(
        [maven, "-q", "-B", "-f", POM, "dependency:copy-dependencies", f"-DoutputDirectory={draft}"],
        cwd=Path("/"),
        environment=os.environ,  # the user's proxies, settings and Java count here
    )
    try:
        process.wait_until_done(seconds=900)
        shutil.rmtree(directory, ignore_errors=True)  # of another version
        draft.rename(directory)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return directory


def _version() -> str:
    found = re.search(r"<kafka\.version>(.+?)<", POM.read_text())
    if found is None:
        raise StackError(f"{POM} names no kafka.version")
    return found[1]


def _directory() -> Path:
    """Where the user says, or beside the pom in a checkout, or in the user's cache when onhand is installed."""
    chosen = os.environ.get(LIB_VARIABLE)
    if chosen:
        return Path(chosen).resolve()
    if os.access(POM.parent, os.W_OK):
        return POM.parent / "target" / "lib"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "onhand" / f"kafka-{_version()}"
