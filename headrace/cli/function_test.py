"""`headrace function test`: local files through a function, as a worker would, without any server."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from headrace.catalog.folder import Installed, load_function
from headrace.catalog.samples import Sample, differences, samples_of
from headrace.catalog.samples import accept as accept_outputs
from headrace.cli.function_serving import served
from headrace.cli.function_trying import Result, try_file
from headrace.cli.output import err, out, print_json, shown_lines
from headrace.model.errors import ConfigurationError
from headrace.model.troubles import Trouble

Tester = Callable[[Path, str], Result]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a sample. `differing`: from what is expected of it; None: nothing is."""

    sample: str
    result: Result
    differing: Sequence[str] | None

    @property
    def passed(self) -> bool:
        """Whether it is done, and nothing differs."""
        return self.result.ran and not self.differing


def test(
    folder: Annotated[Path, typer.Argument(help="The function's folder.")],
    file: Annotated[
        Path | None,
        typer.Option(help="A local file to give it; without it, its samples.", exists=True, dir_okay=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where the results go; with --file `out`, if nothing is named.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The key to pretend; by default prefix and name.")] = None,
    secrets: Annotated[Path, typer.Option(help="Folder of NAME.env files.")] = Path(".headrace/secrets"),
    serve: Annotated[
        str | None,
        typer.Option(help="Of a function that serves: the command of its server, run in its folder."),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Write what comes of the samples as what is expected of them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Run local files through a function, as a worker would. Exit 1 if one fails.

    Without `--file` these are the files in `samples` of its folder, and what comes of each is compared with
    the files in `expected/SAMPLE`, where there are some: a difference is a failure, too.
    """
    _check_options(file, key, accept=accept)
    installed = load_function(folder)
    with _tester(installed, serve, secrets) as tester:
        if file is not None:
            _one(tester(file, key or key_of(installed, file)), output or Path("out"), as_json=as_json)
        tried = [_sample(installed, tester, each) for each in samples_of(folder)]
    for each in tried:
        if output is not None:
            _write(output / each.sample, each.result.outputs)
        if accept and each.result.ran:
            accept_outputs(folder, each.sample, each.result.outputs)
    _told(tried, accepted=accept, as_json=as_json)
    raise typer.Exit(0 if all(each.result.ran if accept else each.passed for each in tried) else 1)


def _check_options(file: Path | None, key: str | None, *, accept: bool) -> None:
    if accept and file is not None:
        raise ConfigurationError("found --accept with --file, allowed with samples only; drop one of them")
    if key is not None and file is None:
        raise ConfigurationError("found --key without --file, allowed for one file only; name the file")


@contextmanager
def _tester(installed: Installed, serve: str | None, secrets: Path) -> Iterator[Tester]:
    if serve is not None:
        with served(installed, serve) as post:
            yield post
        return
    if installed.function.spec.run.http is not None:
        raise ConfigurationError(
            f"function {installed.function.name!r} serves from a container; to try it here, name its "
            'server\'s command, as in --serve "python3 server.py"',
            trouble=Trouble.RUN_ELSEWHERE,
        )
    yield lambda file, key: Result.of(asyncio.run(try_file(installed, file, key, secrets)))


def key_of(installed: Installed, file: Path) -> str:
    source = installed.function.spec.input[0]
    key = source.prefix + file.name
    if not source.takes(key):
        raise ConfigurationError(
            f"function {installed.function.name!r} does not take {key!r}: found the suffix {file.suffix!r}, "
            f"allowed {', '.join(source.suffix)}; rename the file or give --key",
            trouble=Trouble.FILE_NOT_TAKEN,
        )
    return key


def _sample(installed: Installed, tester: Tester, sample: Sample) -> Tried:
    result = tester(sample.file, key_of(installed, sample.file))
    known = result.ran and sample.expected is not None
    differing = differences(sample.expected or {}, result.outputs) if known else None
    return Tried(sample.file.name, result, differing)


def _write(folder: Path, outputs: Mapping[str, bytes]) -> None:
    for name, body in outputs.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def _one(result: Result, output: Path, *, as_json: bool) -> NoReturn:
    _write(output, result.outputs)
    if as_json:
        print_json(_document(result, output))
    else:
        _show(result, output)
    raise typer.Exit(0 if result.ran else 1)


def _document(result: Result, output: Path) -> dict[str, object]:
    document: dict[str, object] = {
        "state": result.state,
        "files": [str(output / name) for name in result.outputs],
        "log": result.log,
    }
    if not result.ran:
        return document | {"reason": result.reason}
    return document | {"seconds": result.seconds, "loadSeconds": result.load_seconds}


def _show(result: Result, output: Path) -> None:
    console = Console()
    if result.ran:
        table = Table("result", "bytes", title=f"done in {result.seconds or 0.0:.2f} s")
        for name, body in result.outputs.items():
            table.add_row(str(output / name), f"{len(body):,}")
        console.print(table)
    else:
        Console(stderr=True).print(f"[red]{result.state}[/]: {result.reason}", highlight=False)
    if result.log:
        console.print("[dim]printed:[/]")
        console.print(result.log, markup=False, highlight=False)


def _told(tried: Sequence[Tried], *, accepted: bool, as_json: bool) -> None:
    if as_json:
        print_json({"ok": all(each.passed for each in tried), "samples": [_row(each) for each in tried]})
        return
    for each in tried:
        out().print(f"{each.sample}: {_verdict(each, accepted=accepted)}")
        if not each.passed and not accepted:
            for line in "\n".join([*(each.differing or ()), each.result.log]).splitlines():
                err().print(f"  {shown_lines(line)}")


def _verdict(tried: Tried, *, accepted: bool) -> str:
    result = tried.result
    if not result.ran:
        return f"{result.state}: {shown_lines(result.reason)}"
    made = ", ".join(result.outputs) or "no result"
    if accepted:
        return f"accepted: {made}"
    if tried.differing is None:
        return f"done: {made}; nothing is expected of it yet (--accept writes what came)"
    return f"differs from what is expected: {made}" if tried.differing else f"passed: {made}"


def _row(tried: Tried) -> dict[str, object]:
    result = tried.result
    return {
        "sample": tried.sample,
        "state": result.state,
        "passed": tried.passed,
        "results": list(result.outputs),
        "differing": None if tried.differing is None else list(tried.differing),
        "seconds": result.seconds,
        "reason": result.reason,
        "log": result.log,
    }
