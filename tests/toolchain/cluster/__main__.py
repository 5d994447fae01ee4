"""`python -m tests.toolchain.cluster up|images|down|status --state DIR`.

Exit codes: 0 done (status: a box is ready), 1 it could not be done (status: none is), 2 wrong call.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.toolchain.cluster import commands, keep, standing, supply
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.keep import Kind
from tests.toolchain.cluster.place import Place
from tests.toolchain.images.store import Images, lacking
from tests.toolchain.needed import search_path
from tests.toolchain.places import Places
from tests.toolchain.running import ToolchainError


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    asked = _parser().parse_args(arguments)
    place, kind, engines = Place(asked.state.absolute()), Kind(asked.kind), Places.of(os.environ)
    command = {"up": _up, "down": _down, "status": _status, "keep": _keep}.get(asked.command)
    try:
        if command is None:
            return _images(place, asked.names, engines)
        return command(place, kind, engines)
    except ToolchainError as fault:
        sys.stderr.write(f"cluster: {fault}\n")
        return 1


def _up(place: Place, kind: Kind, engines: Places) -> int:
    start = time.monotonic()
    box = commands.up(place, kind, engines).box
    sys.stderr.write(f"cluster: {box.api} is ready after {time.monotonic() - start:.1f} s\n")
    sys.stderr.write('cluster: take the lines below into your shell: eval "$(make -s cluster)"\n')
    sys.stdout.write(f"export KUBECONFIG={box.kubeconfig}\n")
    sys.stdout.write(f"export PATH={search_path(engines, {'PATH': '$PATH'})}\n")
    return 0


def _images(place: Place, names: Sequence[str], engines: Places) -> int:
    box = Box.at(place)
    if lacks := lacking():
        raise ToolchainError(f"images can't be built here; missing: {', '.join(lacks)}")
    written, built = supply.give(box, Images(engines), names)
    sys.stderr.write(f"cluster: the node has {', '.join(built)}; {written} names them\n")
    sys.stdout.writelines(f"{line}\n" for line in supply.settings(built))
    return 0


def _down(place: Place, kind: Kind, engines: Places) -> int:
    start = time.monotonic()
    known = commands.down(place)
    told = f"gone after {time.monotonic() - start:.1f} s" if known else "there was none"
    sys.stderr.write(f"cluster: {place.root}: {told}\n")
    return 0


def _status(place: Place, kind: Kind, engines: Places) -> int:
    found = standing.read(place)
    if found is not None and found.phase == "failed":
        raise ToolchainError(found.trouble)
    box = Box.at(place)
    ends = ", ".join(f"{name} {count}" for name, count in box.ends.items()) or "none"
    sys.stdout.write(f"ready: {box.api}\nkubeconfig: {box.kubeconfig}\nprograms that ended: {ends}\n")
    return 0


def _keep(place: Place, kind: Kind, engines: Places) -> int:
    with commands.only_keeper(place):
        if kind is Kind.CLUSTER:
            keep.live_cluster(place, engines)
        else:
            keep.live(place, keep.plan_control_plane(place, engines))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.toolchain.cluster", description="A Kubernetes cluster in a box, for tests."
    )
    parser.add_argument(
        "command",
        choices=["up", "images", "down", "status", "keep"],
        help="images: builds those of this checkout and gives them to the node; keep: what up starts",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="of images: headrace, nats, seaweedfs, functions; all without",
    )
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="the box's own folder")
    parser.add_argument("--kind", choices=list(Kind), default=Kind.CLUSTER, help="what up starts")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
