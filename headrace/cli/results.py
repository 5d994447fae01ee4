"""`headrace results`: what a function has made."""

from typing import Annotated

import typer

from headrace.cli.options import DEFAULT_STATE, FunctionName, Json, State
from headrace.cli.output import counted, duration, location, moment, out, print_json, size
from headrace.cli.session import Session, execute
from headrace.operations.results import Result
from headrace.operations.results import results as read_results


def results(
    context: typer.Context,
    function: FunctionName,
    newest: Annotated[int | None, typer.Option(min=1, help="Only of the newest so many files.")] = None,
    *,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """List what a function has made, the newest last: each output with the file it was made from."""

    async def step(session: Session) -> list[Result]:
        found = []
        async for each in read_results(session.stack, function, newest=newest):
            found.append(each)
            if not as_json:
                _print(each)
        return found

    found = execute(context, state, step)
    if as_json:
        print_json({"function": function, "results": found})
    else:
        total = sum(each.output.size for each in found)
        out().print(f"{counted(len(found), 'result')} of {function}, {size(total)}")


def _print(result: Result) -> None:
    output = result.output
    run = f" run {result.run}" if result.run else ""
    out().print(
        f"{location(output.bucket, output.key)}  {size(output.size)}  {moment(result.committed)}  "
        f"{duration(result.seconds)}  from {location(result.bucket, result.key)}{run}"
    )
