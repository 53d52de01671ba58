"""
Timers: what must be asked for, because nobody pushes it reliably.

A run that fails is not repeated by the host; the next tick reads on from the same watermark, so nothing
is lost by waiting for it. Two runs may overlap after a crash, and the inbox recognises what both read.
"""

import azure.functions as func

from functions.runtime import responder

bp = func.Blueprint()


@bp.function_name("sweep_risk")
@bp.timer_trigger(arg_name="timer", schedule="0 */5 * * * *", run_on_startup=False, use_monitor=False)
async def sweep_risk(timer: func.TimerRequest) -> None:
    """
    Ask Identity Protection for risky service principals and their detections.

    Every 5 minutes: all workload detections are computed offline, hours after the fact, and the quota is
    one request a second for the whole tenant, which responders need too.
    """
    await responder().sweep_risk()


@bp.function_name("sweep_audits")
@bp.timer_trigger(arg_name="timer", schedule="30 * * * * *", run_on_startup=False, use_monitor=False)
async def sweep_audits(timer: func.TimerRequest) -> None:
    """
    Read the directory's audit log from where it was left.

    Every minute: records take 2 to 15 minutes to appear, so that more often gains nothing, and a minute's
    records fit into one page of the five requests that 10 seconds allow. At second 30, away from the others.
    """
    await responder().sweep_audits()


@bp.function_name("sweep_sign_ins")
@bp.timer_trigger(arg_name="timer", schedule="45 2-59/5 * * * *", run_on_startup=False, use_monitor=False)
async def sweep_sign_ins(timer: func.TimerRequest) -> None:
    """
    Read the workloads' sign-in log from where it was left, if the policy has a rule that waits for a sign-in.

    Every 5 minutes: records take up to 15 or 30 minutes to appear, and the five requests in 10 seconds are shared with
    the audit log. Beside the other timers, not with them.
    """
    await responder().sweep_sign_ins()


@bp.function_name("reconcile")
@bp.timer_trigger(arg_name="timer", schedule="15 17 * * * *", run_on_startup=False, use_monitor=True)
async def reconcile(timer: func.TimerRequest) -> None:
    """Read older windows again, hourly, for records that arrived late or could not be read then."""
    await responder().reconcile()
