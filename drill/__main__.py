"""
Rehearse Cordon on a practice tenant.

    python -m drill run SCENARIO.yaml [--policy FILE] [--mode act|ask|watch] [--seed N]
                                      [--result FILE.json] [--report FILE.md] [--quiet]
                                      [--export FOLDER [--form graph|diagnostic|log-analytics]]
    python -m drill serve [SCENARIO.yaml] [--port 7071] [--policy FILE] [--mode …]
    python -m drill check POLICY.yaml [--json]    try the samples in a policy's rules
    python -m drill scenarios     list those that ship
    python -m drill backtest --policy FILE --logs FOLDER [--against OTHER_POLICY] [--json FILE] [--markdown FILE]
                                  what the policy would have done to a tenant's exported logs (docs/backtest.md)
    python -m drill schema        write policies/policy.schema.json and docs/policy-reference.md anew

`check` exits with 0 if every sample passes and every rule can decide, with 1 if not, and with 2 if the file is no
policy. `run` tells what happens on stderr and ends with the report on stdout. It exits with 0 if everything came as
the scenario expects, with 1 if not, and with 2 if the scenario, the policy or the command cannot be used.
`backtest` exits with 0 if all was replayed, with 1 if part of the export could not be read, and with 2 likewise.
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from drill.grounds import Choices
from drill.scenario import SHIPPED, ScenarioWrong, load_scenario, shipped_scenarios
from shared.errors import OperatorMustAct

AS_EXPECTED, OTHERWISE, UNUSABLE = 0, 1, 2
_FIRST = SHIPPED / "leaked-secret.yaml"
_ROOT = Path(__file__).resolve().parent.parent
_SCHEMA, _REFERENCE = _ROOT / "policies" / "policy.schema.json", _ROOT / "docs" / "policy-reference.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; gives the exit code."""
    chosen = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = chosen.command
    try:
        return command(chosen)
    except (ScenarioWrong, OperatorMustAct) as problem:
        print(problem, file=sys.stderr)
        return UNUSABLE


def _run(chosen: argparse.Namespace) -> int:
    from drill.runner import run_scenario

    scenario = load_scenario(_find(chosen.scenario))
    _say(f"Drill “{scenario.name}”: {scenario.file.about or 'no description'}. Times are the practice tenant's, UTC.")
    result = run_scenario(
        scenario,
        policy=chosen.policy,
        mode=chosen.mode,
        seed=chosen.seed,
        say=None if chosen.quiet else _say,
    )
    if chosen.result:
        chosen.result.write_text(result.as_json(), encoding="utf-8")
    if chosen.report:
        chosen.report.write_text(result.as_markdown(), encoding="utf-8")
    if chosen.export:
        from drill.exporting import write_export

        write_export(result.tenant, result.logs, chosen.export, chosen.form)
    print(result.as_markdown())
    return _judge(result.differences)


def _judge(differences: Sequence[str]) -> int:
    if not differences:
        _say("The drill ended as the scenario expects.")
        return AS_EXPECTED
    _say(f"The drill ended otherwise than the scenario expects, in {len(differences)} point(s):")
    for difference in differences:
        _say(f"  - {difference}")
    return OTHERWISE


def _serve(chosen: argparse.Namespace) -> int:
    from drill.serve import serve

    scenario = load_scenario(_find(chosen.scenario))
    choices = Choices(policy=chosen.policy, mode=chosen.mode, seed=chosen.seed)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(scenario, choices, chosen.port, chosen.tenant_port or chosen.port + 1, _say))
    _say("Stopped. Nothing is left behind.")
    return AS_EXPECTED


def _list(_: argparse.Namespace) -> int:
    for path in shipped_scenarios():
        scenario = load_scenario(path)
        print(f"{scenario.name:<36} {scenario.file.about}")
    return AS_EXPECTED


def _backtest(chosen: argparse.Namespace) -> int:
    from drill.backtest.command import Asked, backtest
    from drill.backtest.telling import as_json, as_markdown

    asked = Asked(
        policy=chosen.policy,
        logs=chosen.logs,
        against=chosen.against,
        since=chosen.since,
        until=chosen.until,
        complete_from=chosen.complete_from,
        tenant_id=chosen.tenant,
        own_ids=frozenset(chosen.own),
        handover_vault=chosen.handover_vault,
        jobs=chosen.jobs,
    )
    outcome, policy = backtest(asked, None if chosen.quiet else _say)
    text = as_markdown(outcome, policy.limits)
    if chosen.json:
        chosen.json.write_text(as_json(outcome), encoding="utf-8")
    if chosen.markdown:
        chosen.markdown.write_text(text, encoding="utf-8")
    print(text)
    return OTHERWISE if outcome.damaged else AS_EXPECTED


def _write_schema(_: argparse.Namespace) -> int:
    from drill.reference import reference_text
    from shared.actions import policy_actions
    from shared.policy_schema import schema_text

    for path, text in ((_SCHEMA, schema_text(policy_actions())), (_REFERENCE, reference_text())):
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path} is written.")
    return AS_EXPECTED


def _check(chosen: argparse.Namespace) -> int:
    from drill.check import check

    return check(chosen.policy, as_json=chosen.json)


def _find(given: Path) -> Path:
    """A file, or the name of a scenario that ships."""
    shipped = SHIPPED / f"{given.name}.yaml"
    return shipped if not given.exists() and given.parent == Path() and shipped.exists() else given


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    description, _, rest = (__doc__ or "").strip().partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m drill",
        description=description,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="play a scenario under virtual time"))
    _add_serve(commands.add_parser("serve", help="play a scenario in real time over loopback HTTP"))
    _add_check(commands.add_parser("check", help="try the samples in a policy's rules"))
    commands.add_parser("scenarios", help="list the scenarios that ship").set_defaults(command=_list)
    _add_backtest(commands.add_parser("backtest", help="try a policy on a tenant's exported logs"))
    commands.add_parser("schema", help="write the policy's JSON Schema and reference anew").set_defaults(
        command=_write_schema
    )
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", type=Path, help="a file, or the name of a scenario that ships")
    _add_choices(parser)
    parser.add_argument("--result", type=Path, metavar="FILE.json", help="write what came of it as JSON")
    parser.add_argument("--report", type=Path, metavar="FILE.md", help="write the report to a file as well")
    parser.add_argument("--quiet", action="store_true", help="no live progress")
    parser.add_argument(
        "--export", type=Path, metavar="FOLDER", help="write the tenant's logs and lists, for a backtest"
    )
    parser.add_argument(
        "--form", choices=("graph", "diagnostic", "log-analytics"), default="graph", help="of the export"
    )
    parser.set_defaults(command=_run)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", type=Path, nargs="?", default=_FIRST, help="as for run; leaked-secret if left out")
    _add_choices(parser)
    parser.add_argument("--port", type=int, default=7071, help="of the functions host; the next is the tenant's")
    parser.add_argument("--tenant-port", type=int, help="of the practice tenant")
    parser.set_defaults(command=_serve)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("policy", type=Path, help="the policy file")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(command=_check)


def _add_backtest(parser: argparse.ArgumentParser) -> None:
    from drill.backtest.command import read_id, read_moment

    parser.add_argument("--policy", type=Path, metavar="FILE", required=True, help="the policy to try")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", required=True, help="exported files, in any order")
    parser.add_argument("--against", type=Path, metavar="FILE", help="another policy, to tell what differs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what came of it for programs")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write what is printed to a file as well")
    parser.add_argument("--since", type=read_moment, metavar="TIME", help="decide on nothing that was before (UTC)")
    parser.add_argument("--until", type=read_moment, metavar="TIME", help="decide on nothing from then on")
    parser.add_argument(
        "--complete-from",
        type=read_moment,
        metavar="TIME",
        help="from when on the export is whole; else its first record",
    )
    parser.add_argument("--tenant", type=read_id, metavar="ID", help="the tenant's id, where the export does not tell")
    parser.add_argument(
        "--own", type=read_id, metavar="ID", action="append", default=[], help="an object or client id of Cordon's own"
    )
    parser.add_argument("--handover-vault", action="store_true", help="plan as with CORDON_HANDOVER_VAULT")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that read files")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(command=_backtest)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--policy", type=Path, metavar="FILE", help="decide by this policy, not the scenario's")
    parser.add_argument("--mode", choices=("watch", "ask", "act"), help="instead of the scenario's mode")
    parser.add_argument("--seed", type=int, help="same seed, same trace")


if __name__ == "__main__":
    sys.exit(main())
