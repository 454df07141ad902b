"""`ttt jobs list | show | output | cancel | resume`: the jobs of a tree, without a service.

They are read and asked to stop through the tree; a job is resumed in this process.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pydantic import Field

from ttt.branching.answers import Answer
from ttt.branching.screen import show_answer
from ttt.lib.flags import CommandOptions, parse_command, run_command
from ttt.store import jobs
from ttt.store.jobs import JobStatus


class JobsListOptions(CommandOptions):
    """List the jobs, the newest first."""

    limit: int = Field(default=50, ge=1, le=10_000)
    """Rows at most."""


class JobOptions(CommandOptions):
    """Name a job."""

    job_id: str = Field(min_length=1)
    """The job, such as j000012-train."""


class JobsShowOptions(JobOptions):
    """Show how a job stands, what was asked for, and what it made."""


class JobsOutputOptions(JobOptions):
    """Show the end of what a job's process printed."""


class JobsCancelOptions(JobOptions):
    """Ask a job to stop; it saves what it can first."""


class JobsResumeOptions(JobOptions):
    """Go on with a job that broke off, here and now."""


COMMANDS: Mapping[str, type[CommandOptions]] = {
    "list": JobsListOptions,
    "show": JobsShowOptions,
    "output": JobsOutputOptions,
    "cancel": JobsCancelOptions,
    "resume": JobsResumeOptions,
}


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the sub-commands."""
    _, options = parse_command(COMMANDS, argv, prog="ttt jobs", description=__doc__ or "")
    if isinstance(options, JobsResumeOptions):
        return _resume(options)
    assert isinstance(options, CommandOptions), "each of them is a command's"
    return show_answer(_answer(options), json_output=options.json_output)


def _answer(options: CommandOptions) -> Answer:
    root = options.artifacts_root
    if isinstance(options, JobsListOptions):
        return _list(jobs.list_jobs(root, limit=options.limit))
    assert isinstance(options, JobOptions), "all others name one"
    if isinstance(options, JobsOutputOptions):
        text = jobs.read_output(root, options.job_id)
        return Answer(plain={"output": text}, lines=tuple(text.splitlines()))
    if isinstance(options, JobsCancelOptions):
        return Answer.of_fields(asdict(jobs.ask_to_cancel(root, options.job_id)))
    status = asdict(jobs.read_job(root, options.job_id))
    asked = jobs.read_job_request(root, options.job_id).options
    return Answer.of_fields({**status, "options": dict(asked)})


def _list(found: Sequence[JobStatus]) -> Answer:
    return Answer(
        plain={"jobs": [asdict(one) for one in found]},
        columns=("job", "status", "what", "stage", "done", "created", "message"),
        rows=tuple(
            (
                one.job_id,
                one.status,
                one.title,
                one.stage,
                f"{one.done} of {one.total}" if one.total else one.done,
                one.created,
                one.message,
            )
            for one in found
        ),
    )


def _resume(options: JobsResumeOptions) -> int:
    """Queue a job again and be its worker."""
    # Here, so that listing loads no kind of work.
    from ttt.api.kinds import all_kinds
    from ttt.jobs.supervisor import queued_again
    from ttt.jobs.worker import Bounds, work_on

    root = options.artifacts_root
    queued_again(root, options.job_id)
    code = work_on(root, options.job_id, all_kinds(), parent=0, bounds=Bounds())
    answer = Answer.of_fields(asdict(jobs.read_job(root, options.job_id)))
    show_answer(answer, json_output=options.json_output)
    return code


if __name__ == "__main__":
    sys.exit(main())
