"""What a reader of the repository relies on, and no linter can say."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
DEPLOYED = {"function_app.py", "functions", "shared", "policies", "host.json", "requirements.txt"}
GIVEN = {"host.json", "requirements.txt", "functions", "shared", "infra", "tests", "local.settings.sample.json"}
EXPECTED_BY_TOOLS = {
    ".ci",
    ".funcignore",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Makefile",
    "README.md",
    "azure.yaml",
    "function_app.py",
    "pyproject.toml",
    "requirements-dev.txt",
}
OURS = {"docs", "drill", "policies"}

# Put together here, because this file may not name them either.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("deb", "debian", "org"),
        ("nuget", "org"),
    )
]
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:root|home/\w+|Users/\w+|work|opt/pypi)/")
SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{20}"),
    "a token": re.compile(r"\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\."),
    "a client secret": re.compile(r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}(?![\w~.-])"),
    "a storage key": re.compile(r"AccountKey=(?!Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6)[A-Za-z0-9+/]{40,}"),
}


@cache
def tracked() -> list[Path]:
    """Every file under version control, relative to the root."""
    if not (ROOT / ".git").exists():
        pytest.skip("there is no git here: what belongs to the repository cannot be told from what lies around")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        yield path, (ROOT / path).read_text(encoding="utf-8")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def project() -> dict[str, list[Requirement]]:
    """The direct dependencies: those of the app, and those of a developer."""
    parsed = tomllib.loads(read("pyproject.toml"))
    groups = {"app": parsed["project"]["dependencies"], "developer": parsed["dependency-groups"]["dev"]}
    return {group: [Requirement(line) for line in lines] for group, lines in groups.items()}


def locked(name: str) -> list[Requirement]:
    """The pins of a requirements file, with their markers, without their hashes."""
    lines = re.sub(r"\\\n", " ", read(name)).splitlines()
    return [Requirement(line.partition("--hash")[0]) for line in lines if line and not line.startswith("#")]


def version_of(pin: Requirement) -> str:
    return str(pin.specifier).removeprefix("==")


# What lies where


def test_the_top_level_is_as_agreed() -> None:
    """What the owner fixed is there, and nothing beside it that no tool asks for and is not named."""
    top = {path.parts[0] for path in tracked()}

    assert GIVEN - top == set()
    assert top - GIVEN - EXPECTED_BY_TOOLS - OURS == set()


def test_only_the_app_is_deployed() -> None:
    """Every entry at the top is either part of the app or kept back by .funcignore."""
    patterns = [line for line in read(".funcignore").splitlines() if line and not line.startswith("#")]
    top = {path.parts[0] for path in tracked()} | {".venv", ".venv-3.11", ".git", ".tools", "local.settings.json"}
    kept_back = {entry for entry in top if any(fnmatch(entry, pattern) for pattern in patterns)}

    assert top - kept_back == DEPLOYED & top
    assert {"tests", "drill", "infra", "docs"} <= kept_back


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """A path that exists on one machine only breaks on the next."""
    found = [f"{path}: {match[0]}" for path, text in texts() for match in MACHINE_PATHS.finditer(text)]

    assert found == []


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's setting."""
    found = [f"{path}: {host}" for path, text in texts() for host in REGISTRIES if host in text]

    assert found == []


def test_no_file_holds_what_looks_like_a_secret() -> None:
    """The emulator's well-known key is the only one that may be written down."""
    found = [f"{path}: {what}" for path, text in texts() for what, pattern in SECRETS.items() if pattern.search(text)]

    assert found == []


@pytest.mark.parametrize(
    ("what", "planted"),
    [
        ("a token", f"eyJ{'a' * 24}.eyJ{'b' * 24}.c"),
        ("a client secret", "abc" + "8Q~" + "d" * 34),
        ("a storage key", "AccountKey=" + "e" * 64),
        ("a private key", "-----BEGIN " + "PRIVATE KEY-----\n" + "f" * 40),
    ],
)
def test_a_planted_secret_would_be_found(what: str, planted: str) -> None:
    """The patterns match what they are named for."""
    assert SECRETS[what].search(f"secret = '{planted}'")


# Documentation


def test_commands_in_the_documentation_exist() -> None:
    """Every `make` command that a document shows is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    shown = {
        (str(path), target)
        for path, text in texts()
        if path.suffix == ".md"
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)
    }

    assert shown
    assert [at for at in shown if at[1] not in targets] == []


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link in a document names a file or folder that is there."""
    broken = [
        f"{path}: {link}"
        for path, text in texts()
        if path.suffix == ".md"
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
        if not (ROOT / path.parent / link).exists()
    ]

    assert broken == []


def test_every_dependency_is_explained() -> None:
    """docs/dependencies.md has a line for each direct dependency, and none for what is gone."""
    explained = re.findall(r"^\| `([\w-]+)`", read("docs/dependencies.md"), re.MULTILINE)
    direct = {requirement.name for requirements in project().values() for requirement in requirements}

    assert sorted(explained) == sorted(direct)


def test_the_changelog_knows_this_version() -> None:
    """The version of the project has an entry."""
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]

    assert re.search(rf"^## {re.escape(version)}\b", read("CHANGELOG.md"), re.MULTILINE)


# Dependencies


@pytest.mark.parametrize(("group", "file"), [("app", "requirements.txt"), ("developer", "requirements-dev.txt")])
def test_the_lock_holds_what_the_project_asks_for(group: str, file: str) -> None:
    """Each direct dependency is pinned in its file, to a version that the project accepts."""
    pins = locked(file)
    missing = [
        str(wanted)
        for wanted in project()[group]
        if not any(pin.name == wanted.name and wanted.specifier.contains(version_of(pin)) for pin in pins)
    ]

    assert missing == []


def test_developers_run_what_is_deployed() -> None:
    """Both files pin the same versions of what they share, and the developers' file has all of the app's."""
    app, developers = ({(pin.name, str(pin.specifier), str(pin.marker)) for pin in locked(f)} for f in LOCKS)

    assert app <= developers


LOCKS = ("requirements.txt", "requirements-dev.txt")


@pytest.mark.parametrize("file", LOCKS)
def test_every_pin_has_its_hashes(file: str) -> None:
    """A package that was exchanged on its way is refused."""
    entries = re.sub(r"\\\n", " ", read(file)).splitlines()
    bare = [line for line in entries if line and not line.startswith("#") and "--hash=sha256:" not in line]

    assert bare == []


def test_the_app_takes_along_what_its_dependencies_need_and_nothing_else() -> None:
    """What requirements.txt pins for this Python is what the direct dependencies lead to, as installed here."""
    pinned = {canonicalize_name(pin.name) for pin in locked("requirements.txt") if applies(pin)}

    assert reached_from(project()["app"]) == pinned


def applies(requirement: Requirement, extras: frozenset[str] = frozenset()) -> bool:
    return requirement.marker is None or any(
        requirement.marker.evaluate({"extra": extra}) for extra in ("", *sorted(extras))
    )


def reached_from(direct: list[Requirement]) -> set[str]:
    """Every package that these lead to, by what is installed."""
    reached: set[tuple[str, frozenset[str]]] = set()
    waiting = [requirement for requirement in direct if applies(requirement)]
    while waiting:
        requirement = waiting.pop()
        step = (str(canonicalize_name(requirement.name)), frozenset(requirement.extras))
        if step in reached:
            continue
        reached.add(step)
        try:
            needs = [Requirement(line) for line in requires(requirement.name) or []]
        except PackageNotFoundError:
            pytest.fail(f"{requirement.name} is not installed: make test would have installed it")
        waiting += [need for need in needs if applies(need, step[1])]
    return {name for name, _ in reached}


# Code


def python_files(*tops: str) -> Iterator[Path]:
    for top in tops:
        yield from [ROOT / top] if top.endswith(".py") else sorted((ROOT / top).rglob("*.py"))


@cache
def imports_of(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_only_doors_know_the_functions_platform() -> None:
    """`azure.functions` is imported by function_app.py, functions/ and the drill's host, and by nothing else."""
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in python_files("function_app.py", "functions", "shared", "drill")
        if any(name.startswith("azure.functions") for name in imports_of(path))
    }

    assert "function_app.py" in importers
    assert [name for name in importers if not name.startswith(("function_app.py", "functions/", "drill/host/"))] == []


def test_doors_know_nothing_else_of_azure() -> None:
    """A door has no SDK at hand: it can only hand over."""
    others = {
        name
        for path in python_files("function_app.py", "functions")
        for name in imports_of(path)
        if name.startswith("azure.") and not name.startswith("azure.functions")
    }

    assert others == set()


def test_nothing_outside_the_tests_imports_them() -> None:
    """Tests can be left out of every deployment and every clone."""
    importers = [
        str(path.relative_to(ROOT))
        for path in python_files("function_app.py", "functions", "shared", "drill", "infra")
        if any(name == "tests" or name.startswith("tests.") for name in imports_of(path))
    ]

    assert importers == []


IMPORT_EVERYTHING = """
import importlib, json, os, pkgutil, sys, threading

root, found = sys.argv[1], []
sys.path.insert(0, root)
ours = tuple(os.path.join(root, top) for top in ("function_app.py", "functions", "shared", "drill"))

def caller_is_ours():
    frame = sys._getframe(2)
    while frame and frame.f_code.co_filename.startswith(("<frozen", os.__file__)):
        frame = frame.f_back
    return frame and frame.f_code.co_filename.startswith(ours)

class Watched(type(os.environ)):
    def __getitem__(self, key):
        if caller_is_ours():
            found.append(f"reads {key} from the environment")
        return super().__getitem__(key)

os.environ.__class__ = Watched

def hook(event, args):
    if event in ("socket.__new__", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename"):
        found.append(event)
    if event == "open" and isinstance(args[0], str) and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        found.append(f"writes {args[0]}")

modules = ["function_app"]
for top in ("functions", "shared", "drill"):
    package = importlib.import_module(top)
    modules += [m.name for m in pkgutil.walk_packages(package.__path__, top + ".") if not m.name.endswith("__main__")]
sys.dont_write_bytecode = True
sys.addaudithook(hook)
for name in modules:
    before = len(found)
    importlib.import_module(name)
    found[before:] = [f"{name}: {what}" for what in found[before:]]
running = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
print(json.dumps({"modules": len(modules), "found": found, "threads": running}))
"""


def imported_everything(root: Path) -> dict[str, object]:
    done = subprocess.run(  # noqa: S603 — our own text, in a fresh interpreter
        [sys.executable, "-c", IMPORT_EVERYTHING, str(root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_a_module_does_nothing() -> None:
    """No thread, no socket, no file written, no setting read: a function host may import at any time."""
    told = imported_everything(ROOT)

    assert (told["found"], told["threads"]) == ([], [])


def test_a_module_that_does_something_is_found(tmp_path: Path) -> None:
    """The check above sees each thing that it is there for."""
    for top in ("functions", "shared", "drill"):
        (tmp_path / top).mkdir()
        (tmp_path / top / "__init__.py").touch()
    (tmp_path / "function_app.py").touch()
    (tmp_path / "shared" / "eager.py").write_text(
        "import os, socket, threading\n"
        "os.environ.get('CORDON_MODE')\n"
        "socket.socket().close()\n"
        f"open({str(tmp_path / 'file')!r}, 'w').close()\n"
        "threading.Thread(target=threading.Event().wait, daemon=True, name='busy').start()\n"
    )

    told = imported_everything(tmp_path)

    assert told["threads"] == ["busy"]
    assert told["found"] == [
        "shared.eager: reads CORDON_MODE from the environment",
        "shared.eager: socket.__new__",
        f"shared.eager: writes {tmp_path / 'file'}",
    ]
