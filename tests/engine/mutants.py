"""
Mutation testing of the four modules that every effect goes through, by the tests beside this file.

    make mutants        prints killed and all mutants per module; fails if fewer than 90 % of one are killed

It works on a copy in build/mutants, with an environment of its own in .tools/mutants (mutants.txt). A mutant that
needs so long that it is stopped counts as killed. `mutmut show NAME`, run in the copy, shows a survivor.

Known survivors that no test can tell from the original:
    Execution._intend, _is_written   `>` as `>=`: two entries are never at one place
    Execution._may_be_in_other_hands `>` as `>=`, `<` as `<=`: the same
    Execution._checks                `begun = None`: as false as False
    Execution._verify_step           a round without an intent: nothing is verified before it was meant
    Execution._stop_if_refused       without an answer: it is asked only of steps that were written
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPY, PLACE, WANTED = ROOT / "build/mutants", ROOT / ".tools/mutants", Path(__file__).parent / "mutants.txt"
MODULES = ("limits", "plan", "journal", "execution")
LEAST = 90  # percent
SURVIVED = (0, 5, 33, 34, None)  # mutmut's words for survived, no tests, skipped, not checked
PARTS = ("shared", "functions", "drill", "tests", "policies", "infra", "function_app.py", "pyproject.toml")
SETTINGS = f"""
[tool.mutmut]
source_paths = {json.dumps([f"shared/{module}.py" for module in MODULES])}
pytest_add_cli_args_test_selection = ["tests/engine"]
also_copy = {json.dumps(PARTS)}
"""


def environment() -> Path:
    """The interpreter with mutmut, made on first use; it also sees what the tests need."""
    python, stamp = PLACE / "bin/python", PLACE / "made-from"
    if not stamp.exists() or stamp.read_text() != WANTED.read_text():
        venv.create(PLACE, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "-r", str(WANTED)], check=True)  # noqa: S603 - our own list
        stamp.write_text(WANTED.read_text())
    (site,) = PLACE.glob("lib/python*/site-packages")  # each time, for the tests' own environment may have moved
    (site / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def copy() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for part in PARTS:
        here = ROOT / part
        if here.is_dir():
            shutil.copytree(here, COPY / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, COPY / part)
    with (COPY / "pyproject.toml").open("a") as file:
        file.write(SETTINGS)


def killed(module: str) -> tuple[int, int]:
    """How many mutants of a module were killed, and of how many."""
    found = json.loads((COPY / f"mutants/shared/{module}.py.meta").read_text())["exit_code_by_key"]
    return sum(code not in SURVIVED for code in found.values()), len(found)


def main() -> int:
    python = environment()
    copy()
    run = subprocess.run([str(python), "-m", "mutmut", "run", "--max-children", "1"], cwd=COPY, check=False)  # noqa: S603
    figures = {module: killed(module) for module in MODULES}
    for module, (dead, whole) in figures.items():
        print(f"{module:10} {dead:4} of {whole:4} killed, {100 * dead / max(1, whole):5.1f} %")
    enough = all(whole and 100 * dead >= LEAST * whole for dead, whole in figures.values())
    return 0 if enough and not run.returncode else 1


if __name__ == "__main__":
    sys.exit(main())
