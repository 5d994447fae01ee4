"""`headrace simulate`: its scenario, its optimum, its document, its words and the examples of its page."""

import importlib
import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from headrace.cli.drawing import needed_extra
from headrace.cli.simulate import simulate
from headrace.cli.simulate_words import amount, answer, optimum_of, time_span
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.model.pool import NodePool
from headrace.model.resources import ResourceList
from headrace.scaler.simulation.engine import simulate as play
from headrace.scaler.simulation.optimum.cost import Proof
from headrace.scaler.simulation.outcome import Outcome, Waits
from headrace.scaler.simulation.policies import POLICIES
from headrace.scaler.simulation.report import Figures, Method, Report, Run, Simulated, Yardstick
from headrace.scaler.simulation.scenario import Faults, given_to, setting_of
from headrace.scaler.simulation.setting import Setting, SimFunction, SimPool
from headrace.scaler.simulation.trace import Arrival, Trace
from headrace.scaler.simulation.yardstick import one_node_seconds, yardstick
from headrace.scaler.snapshot import BootEstimate, PoolView

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^headrace simulate .*$", PAGE, re.MULTILINE)

app = typer.Typer()
app.command()(simulate)


def invoke(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def function(name: str, **spec: object) -> Function:
    return Function.from_json(
        json.dumps(
            {
                "apiVersion": "headrace.dev/v1alpha1",
                "kind": "Function",
                "metadata": {"name": name},
                "spec": {"run": {"script": "s.sh"}, "input": [{"bucket": "uploads"}], **spec},
            }
        )
    )


def pool(name: str = "p", **spec: object) -> NodePool:
    smallest = {"driver": "memory", "capacity": {"cpu": "4", "memory": "8Gi"}, "maxNodes": 3}
    return NodePool.from_json(
        json.dumps(
            {
                "apiVersion": "headrace.dev/v1alpha1",
                "kind": "NodePool",
                "metadata": {"name": name},
                "spec": {**smallest, **spec},
            }
        )
    )


def trace(*files: tuple[float, str]) -> Trace:
    return Trace.of(Arrival(time, name, 1, 10.0) for time, name in files)


# The scenario


def test_functions_and_pools_of_the_trace_become_a_setting():
    functions = [
        function("f", resources={"cpu": "2", "memory": "1Gi"}, scale={"maxWaitSeconds": 30, "maxWorkers": 7}),
        function("unused"),
    ]
    pools = [
        pool("wide", pricePerHour=0.5, bootSeconds=100, minNodes=1, spareNodes=1, maxBooting=2),
        pool("small", capacity={"cpu": "1", "memory": "8Gi"}),
        pool("servers", provides="gpuServers"),
    ]
    faults = Faults(0.1, 0.2, 30.0, 0.5, 2.0)
    setting = setting_of(trace((0, "f")), functions, pools, faults=faults, seed=3)
    (found,), (only,) = setting.functions, setting.pools
    assert (found.name, found.pools, found.max_wait_seconds, found.max_workers) == ("f", ("wide",), 30.0, 7)
    assert (found.request["cpu"], found.believed_factor, setting.seed) == (2000, 2.0, 3)
    assert only == SimPool(
        PoolView(
            "wide", pools[0].allocatable, BootEstimate(100.0, 100.0), price_per_hour=0.5, min_nodes=1,
            max_nodes=3, spare_nodes=1, max_booting=2,
        ),
        100.0, boot_cv=0.2, failure_share=0.1, device_delay_seconds=30.0, deaths_per_hour=0.5,
    )  # fmt: skip


@pytest.mark.parametrize(("driver", "boot"), [("static", 0.0), ("memory", 150.0)])
def test_nodes_that_are_always_on_take_no_boot(driver, boot):
    given_pool = pool(driver=driver, minNodes=3)
    setting = setting_of(trace((0, "f")), [function("f")], [given_pool], faults=Faults(), seed=0)
    assert setting.pools[0].boot_seconds == boot


def test_functions_that_the_folder_lacks_are_told_all_at_once():
    with pytest.raises(ConfigurationError, match=r"found a, c, allowed b; add them"):
        setting_of(trace((0, "c"), (1, "b"), (2, "a")), [function("b")], [pool()], faults=Faults(), seed=0)


def test_functions_that_no_pool_takes_are_told_all_at_once():
    functions = [
        function("large", resources={"cpu": "8"}),
        function("elsewhere", nodeSelector={"zone": "lab"}),
        function("fits"),
    ]
    files = trace((0, "large"), (1, "elsewhere"), (2, "fits"))
    with pytest.raises(ConfigurationError, match=r"no pool takes a worker of elsewhere, large: found .* p,"):
        setting_of(files, functions, [pool()], faults=Faults(), seed=0)


def test_a_trace_without_files_is_refused():
    with pytest.raises(ConfigurationError, match="holds no file"):
        setting_of(trace(), [function("f")], [pool()], faults=Faults(), seed=0)


def test_kinds_of_a_made_trace_are_given_to_functions_in_turn():
    made = trace((0, "z"), (1, "x"), (2, "y"))
    assert given_to(made, [function("b"), function("a")]) == trace((0, "a"), (1, "a"), (2, "b"))


# The optimum


def case(files, *, workers=1, prices=(1.0,), requests=None):
    """Files as (time, function, seconds); a pool for each price, of nodes with so many slots."""
    requests = requests or {name: {"slot": 1} for _, name, _ in files}
    pools = tuple(
        SimPool(
            PoolView(
                f"p{number}",
                ResourceList.of({"slot": workers, "gpu": 1}),
                BootEstimate(150.0, 150.0),
                price_per_hour=price,
            ),
            150.0,
        )
        for number, price in enumerate(prices)
    )
    functions = tuple(
        SimFunction(name, ResourceList.of(request), tuple(p.name for p in pools), max_wait_seconds=300.0)
        for name, request in requests.items()
    )
    return Trace.of(Arrival(*(time, name, 1, seconds)) for time, name, seconds in files), Setting(
        functions, pools
    )


LONE = [(0.0, "f", 60.0), (50_000.0, "f", 60.0)]


def test_files_alike_one_a_node_are_measured_against_whole_nodes():
    found = yardstick(*case(LONE))
    assert found == Yardstick(pytest.approx(420 / 3600), Method.WHOLE, Proof.EXACT)


@pytest.mark.parametrize(
    "changed",
    [
        {"workers": 2},
        {"files": [(0.0, "f", 60.0), (50_000.0, "f", 61.0)]},
        {"files": [(0.0, "f", 60.0), (50_000.0, "g", 60.0)]},
    ],
    ids=["two a node", "unequal seconds", "two functions"],
)
def test_other_files_have_a_bound_and_each_stretch_of_work_at_least_a_boot_and_a_file(changed):
    found = yardstick(*case(changed.pop("files", LONE), **changed))
    assert (found.method, found.proof) == (Method.FLUID, Proof.LOWER_BOUND)
    assert found.node_hours == pytest.approx(420 / 3600, rel=0.01)


def test_many_files_without_a_silence_have_a_bound():
    files = [(float(n), "f", 2.0) for n in range(1100)]
    assert yardstick(*case(files)).method is Method.FLUID


def test_several_pools_are_measured_by_the_cheapest_price_of_a_worker():
    found = yardstick(*case(LONE, prices=(0.4, 0.1)))
    assert found.cost == pytest.approx(0.1 * found.node_hours)
    assert found.ratio(outcome(cost=2 * found.cost, node_hours=99.0)) == pytest.approx(2.0)


def test_where_a_pool_costs_nothing_node_hours_are_compared():
    found = yardstick(*case(LONE, prices=(0.0, 0.1)))
    assert found.cost is None
    assert found.ratio(outcome(cost=0.0, node_hours=3 * found.node_hours)) == pytest.approx(3.0)


def test_unlike_requests_are_counted_in_the_resource_that_is_asked_for_most():
    """A hundred files of 600 s that hold 2 of 4 slots, and a hundred that hold 1: 45,000 node-seconds."""
    files = [(0.0, name, 600.0) for name in ("two", "one") for _ in range(100)]
    found = yardstick(*case(files, workers=4, requests={"two": {"slot": 2}, "one": {"slot": 1}}))
    assert found.node_hours * 3600 == pytest.approx(45_000 + 150 * 45_000 / 1050, rel=0.15)


@pytest.mark.parametrize(
    ("arrivals", "seconds"),
    [
        ([0.0], 210.0),
        ([0.0, 450.0], 210.0),  # the first may wait for the second
        ([0.0, 500.0], 260.0),  # idles for 50 s
        ([0.0, 700.0], 420.0),  # two boots are cheaper
        ([0.0, 450.0, 900.0], 420.0),
    ],
)
def test_one_node_on_which_everything_fits_boots_as_seldom_as_waits_allow(arrivals, seconds):
    found = one_node_seconds(arrivals, service_seconds=60.0, start_within_seconds=450.0, boot_seconds=150.0)
    assert found == pytest.approx(seconds)


@given(
    files=st.lists(
        st.tuples(st.integers(0, 4000), st.sampled_from("fg"), st.integers(1, 300)), min_size=1, max_size=25
    ),
    workers=st.integers(2, 4),
    policy=st.sampled_from(["headrace", "karpenter-like"]),
)
@settings(max_examples=60, deadline=None)
def test_no_run_without_late_files_is_cheaper_than_the_optimum(files, workers, policy):
    requests = {"f": {"slot": 2}, "g": {"slot": 1}}
    files = [(float(time), name, float(seconds)) for time, name, seconds in files]
    given_trace, setting = case(files, workers=workers, prices=(1.0, 0.7), requests=requests)
    found = yardstick(given_trace, setting)
    run = play(given_trace, setting, POLICIES[policy]())
    if run.wait.max <= 450.0 and not run.unfinished:
        assert run.node_hours >= found.node_hours * (1 - 1e-6)
        assert run.cost >= found.cost * (1 - 1e-6)


# The report


def outcome(**figures) -> Outcome:
    usual = {
        "node_hours": 2.0, "busy_hours": 1.0, "cost": 3.0, "wait": Waits(10.0, 9.0, 50.0, 130.0, 7260.0),
        "late": 0, "boots": 4, "surplus_boots": 0, "failed_boots": 0, "deaths": 0, "unfinished": 0,
    }  # fmt: skip
    return Outcome(**{**usual, **figures})


def report(*runs: dict[str, Outcome]) -> Report:
    found = Yardstick(1.5, Method.FLUID, Proof.LOWER_BOUND)
    return Report(Simulated("t.csv", ["f"], ["p"]), [Run(n, 30, found, run) for n, run in enumerate(runs)])


def test_the_document_has_the_stable_names():
    document = report({"headrace": outcome()}).document()
    assert document["policies"] == {
        "headrace": {**outcome().document(optimum_node_hours=1.5), "ratio": pytest.approx(2.0 / 1.5)}
    }
    assert document["simulated"] == {
        "trace": "t.csv", "functions": ["f"], "pools": ["p"], "unused_pools": (), "wait_worth": 0.1,
        "faults": {
            "boot_failure_share": 0.0, "boot_cv": 0.0, "device_delay_seconds": 0.0,
            "node_deaths_per_hour": 0.0, "believed_factor": 1.0,
        },
        "runs": [
            {
                "seed": 0, "files": 30,
                "optimum": {"node_hours": 1.5, "method": "fluid", "proof": "lower-bound", "cost": None},
            }
        ],
    }  # fmt: skip


def test_over_seeds_each_figure_has_its_median_and_its_worst():
    runs = [{"headrace": outcome(cost=cost, wait=Waits(*[cost] * 5))} for cost in (3.0, 9.0, 4.0)]
    several = report(*runs)
    assert (several.usual("headrace").cost, several.worst("headrace").cost) == (4.0, 9.0)
    assert several.usual("headrace").wait == Waits(*[4.0] * 5)
    assert set(several.document()["policies"]["headrace"]) == {*Figures.__slots__, "worst"}


def test_the_answer_tells_cost_waits_the_next_best_and_what_is_amiss():
    run = {"headrace": outcome(late=1, unfinished=2), "clues": outcome(cost=9.0), "static": outcome(cost=6.0)}
    first, *others = answer(report(run))
    assert first == (
        "With headrace, 30 files cost 3.00, that is 0.1 a file, in the currency of pricePerHour. A file "
        "waits 10 s on average, 99 of 100 at most 2 min 10 s, none longer than 2 h 1 min."
    )
    assert others == [
        "The cheapest of the others, static, costs 2.00 times as much; its files wait 10 s on average.",
        "Late: 1 file, started later than maxWaitSeconds, one boot and one period after arrival.",
        "Never worked: 2 files; look at maxNodes, maxWorkers and the faults.",
    ]


def test_what_is_amiss_at_one_seed_is_told_of_that_seed():
    told = list(answer(report({"headrace": outcome()}, {"headrace": outcome(late=5)})))
    assert told[-1].startswith("Late at the worst seed: 5 files")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Yardstick(2.0, Method.WHOLE, Proof.EXACT), "known: 2.00 node-hours (whole nodes; exact)"),
        (Yardstick(2.0, Method.FLUID, Proof.LOWER_BOUND), "known: at least 2.00 node-hours (a linear"),
        (Yardstick(2.0, Method.FLUID, Proof.LOWER_BOUND, 0.5), "known: at least a cost of 0.5 (a linear"),
    ],
)
def test_the_optimum_is_told_with_its_worth(found, text):
    assert text in optimum_of(Run(0, 1, found, {}))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119.4, "119 s"), (120, "2 min"), (185, "3 min 5 s"), (7200, "2 h"), (9000, "2 h 30 min")],
)
def test_a_wait_has_the_units_that_count(seconds, text):
    assert time_span(seconds) == text


@pytest.mark.parametrize(
    ("cost", "text"), [(0, "0.00"), (0.01234, "0.0123"), (1, "1.00"), (1234.5, "1,234.50")]
)
def test_an_amount_keeps_the_digits_that_count(cost, text):
    assert amount(cost) == text


# The command


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder to run in that looks like the checkout, and is not it."""
    for name in ("functions", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "listing.json").symlink_to(ROOT / "docs/examples/simulate/listing.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


POOLS = ("--pools", "docs/examples/simulate/pools.yaml")
TRACE = ("--trace", "docs/examples/simulate/trace.csv")


def test_the_page_has_examples():
    assert len(EXAMPLES) == 7


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_page_does_what_it_says(checkout, example):
    words = shlex.split(example)[2:]
    result = invoke(*words)
    assert result.exit_code == 0
    if "--json" in words:
        assert json.loads(result.stdout)["policies"]["headrace"]["unfinished"] == 0
    else:
        assert "With headrace," in result.stdout
    assert (checkout / "out.svg").is_file() == ("--plot" in words)


def test_the_table_of_the_page_is_what_is_printed(checkout):
    result = invoke(*TRACE, *POOLS, "--policy", "headrace,karpenter-like")
    table = [line.rstrip() for line in result.stdout.splitlines()[:4]]
    assert "\n".join(table) in PAGE


def test_the_snippet_of_the_page_makes_a_trace_that_can_be_simulated(checkout):
    exec(re.findall(r"```python run\n(.*?)```", PAGE, re.DOTALL)[0], {})
    assert "0.0,echo,9437184,11.5" in (checkout / "trace.csv").read_text()
    result = invoke("--trace", "trace.csv", *POOLS, "--json", "--policy", "headrace")
    document = json.loads(result.stdout)
    assert document["simulated"]["runs"][0]["files"] == 3
    assert document["policies"]["headrace"]["unfinished"] == 0


def test_a_pool_that_nobody_may_use_is_told(checkout):
    more = pool("gpu", taints=[{"key": "gpu", "effect": "NoSchedule"}])
    text = f"{Path(POOLS[1]).read_text()}---\n{more.to_json().decode()}\n"
    (checkout / "pools.yaml").write_text(text)
    result = invoke(*TRACE, "--pools", "pools.yaml", "--policy", "headrace")
    assert "Left out, as no function of the trace may use them: gpu." in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "found neither, allowed either --trace or --workload"),
        ((*TRACE, "--workload", "mix"), "found both, allowed either --trace or --workload"),
        (("--workload", "rush"), "--workload: found 'rush', allowed bursts-60, bursts-2, diurnal"),
        ((*TRACE, "--policy", "headrace,hpa,ca"), r"--policy: found 'hpa', 'ca', allowed headrace, clues"),
        ((*TRACE, "--plot", "out.pdf"), r"--plot out.pdf: found the suffix '.pdf', allowed .svg, .png"),
        ((*TRACE, "--plot", "no/out.svg", "--policy", "headrace"), r"--plot no/out.svg: can't be written"),
    ],
)
def test_a_wrong_option_is_told(checkout, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        invoke(*arguments, *POOLS)


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    with (
        pytest.raises(ConfigurationError, match=r"'module_that_nobody_has'.*headrace\[simulate\]"),
        needed_extra("simulate"),
    ):
        importlib.import_module("module_that_nobody_has")


def test_a_missing_module_of_our_own_is_a_defect():
    with pytest.raises(ModuleNotFoundError), needed_extra("simulate"):
        importlib.import_module("headrace.nothing")


def test_wait_worth_reaches_the_decision_and_faults_the_nodes(checkout):
    lines = [f"{number * 400},thumbnail,1,60" for number in range(20)]
    (checkout / "thin.csv").write_text("time_seconds,function,bytes,service_seconds\n" + "\n".join(lines))

    def figures(*options: str) -> dict:
        result = invoke("--trace", "thin.csv", *POOLS, "--policy", "headrace", "--json", *options)
        return json.loads(result.stdout)["policies"]["headrace"]

    usual = figures("--wait-worth", "0")
    assert figures("--wait-worth", "100")["wait"]["mean"] < usual["wait"]["mean"]
    assert figures("--boot-failures", "0.2")["failed_boots"] > 0 == usual["failed_boots"]
    assert figures("--node-deaths", "5")["deaths"] > 0 == usual["deaths"]
    assert figures("--device-delay", "200")["wait"]["max"] > usual["wait"]["max"]
    assert figures("--boot-spread", "0.5")["wait"]["max"] != usual["wait"]["max"]


SHARED = ("--functions", "docs/examples/simulate/shared", "--policy", "headrace")


def test_tenants_reach_the_run_and_their_waits_the_document(checkout):
    lines = [*("0,scans,1,120" for _ in range(400)), *(f"{at},triage,1,5" for at in range(200, 900, 100))]
    (checkout / "both.csv").write_text("time_seconds,function,bytes,service_seconds\n" + "\n".join(lines))
    one = {"apiVersion": "headrace.dev/v1alpha1", "kind": "NodePool", "metadata": {"name": "p"}}
    spec = {"driver": "memory", "capacity": {"cpu": "4", "memory": "8Gi"}, "bootSeconds": 60, "maxNodes": 2}
    (checkout / "pool.yaml").write_text(json.dumps({**one, "spec": spec}))
    (checkout / "tenants.yaml").write_text("name: lab\n---\nname: ward\n")

    def tenants(*options: str) -> dict:
        result = invoke("--trace", "both.csv", "--pools", "pool.yaml", *SHARED, *options, "--json")
        return json.loads(result.stdout)["policies"]["headrace"]["tenants"]

    shared, alone = tenants("--tenants", "tenants.yaml"), tenants()
    assert set(shared) == set(alone) == {"lab", "ward"}
    assert shared["ward"]["late"] == 0 < alone["ward"]["late"]
    assert set(shared["ward"]["wait"]) == {"mean", "p50", "p95", "p99", "max"}


def test_a_faulty_file_of_tenants_is_told(checkout):
    (checkout / "tenants.yaml").write_text("name: lab\nweight: 0\nquota: {gpus: 2}\n")
    with pytest.raises(ConfigurationError) as caught:
        invoke(*TRACE, *POOLS, "--tenants", "tenants.yaml")
    assert "tenants.yaml:2 (weight)" in str(caught.value)
    assert "tenants.yaml:3 (quota.gpus)" in str(caught.value)
