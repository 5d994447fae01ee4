"""Draws the pictures of docs/concepts.md: `python -m tools.pages.pictures`."""

from pathlib import Path

from tools.pages.drawing import Drawing

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "concepts"


def file() -> Drawing:
    """The way of a file."""
    d = Drawing(680, 470, "The way of a file, from the bucket that it is put into to its result")
    d.box(20, 50, 150, 70, "You", "any S3 client")
    d.box(255, 50, 170, 70, "bucket uploads", "s3://uploads/echo/", fill="store")
    d.box(510, 50, 150, 70, "receiver", "headrace.events", fill="ours")
    d.box(510, 205, 150, 70, "queue", "NATS JetStream", fill="ours")
    d.box(255, 205, 170, 70, "worker", "its supervisor", fill="ours")
    d.box(20, 205, 150, 70, "bucket results", "s3://results/echo/", fill="store")
    d.box(255, 350, 170, 84, "your code", "handler, script, or", "an image that serves", fill="yours")
    d.box(20, 350, 150, 84, "platform bucket", "one record a task,", "and what is staged", fill="store")
    d.arrow((170, 85), (253, 85))
    d.words(212, 76, "1 put")
    d.arrow((425, 85), (508, 85))
    d.words(467, 76, "2 notify")
    d.arrow((585, 50), (585, 22), (340, 22), (340, 48), dashed=True)
    d.words(462, 16, "the listing finds what was lost", faint=True)
    d.arrow((585, 120), (585, 203))
    d.words(592, 166, "3 a task", anchor="start")
    d.arrow((510, 240), (427, 240))
    d.words(468, 231, "4 pull")
    d.arrow((340, 120), (340, 203))
    d.words(347, 166, "5 read", anchor="start")
    d.arrow((340, 275), (340, 348), both=True)
    d.words(347, 316, "6 work", anchor="start")
    d.arrow((255, 262), (150, 348))
    d.words(222, 326, "7 record", anchor="middle")
    d.arrow((255, 240), (172, 240))
    d.words(213, 231, "8 copy")
    for at, line in enumerate(
        (
            "9 Only then the task is",
            "acknowledged. If a worker",
            "dies before, another goes",
            "on; the first record stays.",
        )
    ):
        d.words(490, 366 + at * 18, line, anchor="start", faint=True)
    return d


def scaling() -> Drawing:
    """Two levels, one decision."""
    d = Drawing(680, 430, "From files that wait to workers, and from workers to nodes: one decision for both")
    d.frame(20, 20, 190, 250, "files that wait")
    d.words(36, 70, "echo, starts within 60 s", anchor="start")
    d.dots(38, 80, 19)
    d.words(36, 166, "thumbnail, within 5 s", anchor="start")
    d.dots(38, 176, 5)
    d.frame(245, 20, 190, 250, "workers: pods")
    for at in range(4):
        d.box(262 + at % 2 * 80, 52 + at // 2 * 48, 74, 40, "echo", fill="ours")
    d.box(262, 165, 156, 40, "thumbnail", fill="ours")
    d.words(340, 236, "a worker loads its", faint=True)
    d.words(340, 253, "model once", faint=True)
    d.frame(470, 20, 190, 250, "nodes")
    d.box(486, 52, 158, 44, "node 1: busy", fill="ours")
    d.box(486, 104, 158, 44, "node 2: busy", fill="ours")
    d.box(486, 156, 158, 44, "node 3: booting", dashed=True)
    d.box(486, 208, 158, 44, "node 4: off", fill="off")
    d.arrow((210, 145), (243, 145))
    d.arrow((435, 145), (468, 145))
    d.box(
        150,
        320,
        380,
        84,
        "the scaler",
        "the fewest boots that keep each promise,",
        "each as late as that allows",
        fill="ours",
    )
    d.arrow((115, 270), (115, 362), (148, 362), dashed=True)
    d.words(28, 382, "what waits,", anchor="start", faint=True)
    d.words(28, 398, "since when", anchor="start", faint=True)
    d.arrow((340, 320), (340, 272))
    d.words(348, 300, "1 how many", anchor="start")
    d.arrow((530, 362), (565, 362), (565, 272))
    d.words(573, 310, "2 on, off", anchor="start")
    d.words(545, 386, "it learns how long", anchor="start", faint=True)
    d.words(545, 402, "files and boots take", anchor="start", faint=True)
    return d


def gpu() -> Drawing:
    """Ways to a GPU."""
    d = Drawing(680, 440, "Five ways to a GPU: whole, in time slices, by MPS, by MIG, or on another host")
    d.box(
        120,
        18,
        440,
        56,
        "the function's wish",
        "access: [mig, mps, timeslice, passthrough, remote]",
        fill="yours",
    )
    d.words(340, 96, "the first way that is there, and that fits memory and isolation", faint=True)
    d.frame(20, 116, 400, 304, "a GPU of the worker's node")
    ways = (
        ("passthrough", "one worker has all of it", ("ours",)),
        (
            "timeslice",
            "by turns; each sees all of the memory",
            ("ours", "plain", "store", "ours", "plain", "store"),
        ),
        ("mps", "at once; an equal part of the memory", ("ours", "plain", "store")),
        (
            "mig",
            "parts that the hardware keeps apart",
            ("ours", "plain", "plain", "store", "store", "store", "off"),
        ),
    )
    for at, (name, says, parts) in enumerate(ways):
        y = 158 + at * 66
        d.words(38, y + 4, name, bold=True, anchor="start", size=13.5)
        d.words(138, y + 4, says, anchor="start", faint=True)
        d.bar(38, y + 14, 364, 20, parts)
    d.frame(450, 116, 210, 304, "a GPU of another host")
    d.box(470, 150, 170, 52, "worker", "on any node", fill="ours")
    d.arrow((555, 202), (555, 262), both=True)
    d.words(563, 236, "its GPU calls", anchor="start", faint=True, size=12.5)
    d.box(
        470, 264, 170, 100, "GPU server", "rCUDA or Lupine;", "switched on when", "it is wanted", fill="ours"
    )
    d.words(555, 392, "remote: memory is counted,", faint=True, size=12.5)
    d.words(555, 408, "not enforced", faint=True, size=12.5)
    return d


def tenants() -> Drawing:
    """Who shares, and what is nobody else's."""
    d = Drawing(
        680,
        400,
        "Tenants: each with a namespace, an account of the queue and a key of its own; nodes are shared",
    )
    for at, (name, weight, fill) in enumerate(
        (("the stack's own", 1, "plain"), ("lab", 2, "ours"), ("ward", 1, "store"))
    ):
        x = 20 + at * 218
        d.frame(x, 20, 204, 216, name)
        d.box(x + 14, 50, 176, 40, "namespace", fill=fill)
        d.box(x + 14, 98, 176, 40, "account of the queue", fill=fill)
        d.box(x + 14, 146, 176, 40, "key, for its buckets", fill=fill)
        d.words(x + 102, 216, f"weight {weight}, with a quota" if at else "weight 1", faint=True)
        d.arrow((x + 102, 236), (x + 102, 282))
    d.frame(20, 284, 640, 96, "nodes and GPU servers, parted by weight where they are short")
    d.bar(36, 318, 608, 34, ("plain", "ours", "ours", "store"))
    d.words(340, 371, "a tenant that has nothing waiting leaves its part to the others", faint=True)
    return d


def drawings() -> dict[str, str]:
    """Name in docs/images/concepts -> SVG."""
    return {f"{each.__name__}.svg": each().svg() for each in (file, scaling, gpu, tenants)}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in drawings().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
