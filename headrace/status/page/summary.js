// The whole stack in one sentence, what needs a look, and the figures with their course.

function headlineOf(document_) {
  const { totals, functions } = document_;
  if (functions.total === 0) return "No function yet.";
  if (totals.waiting === null || totals.running === null) return "How many files wait is not known now.";
  const left = totals.waiting + totals.running;
  if (left === 0) return totals.done ? `Nothing waits. ${counted(totals.done, "file")} done.` : "Nothing waits.";
  const now = totals.waiting === 0
    ? `${counted(totals.running, "file is", "files are")} being worked`
    : `${counted(totals.waiting, "file waits", "files wait")}, ${number(totals.running)} ${totals.running === 1 ? "is" : "are"} being worked`;
  return `${now}${lastDone(totals.forecast)}.`;
}

function lastDone(forecast) {
  if (forecast.at === null) return "";
  return `; the last will be done ${soonText(forecast)}`;
}

// [what, where on this page, how grave], the gravest first.
function attentionOf(document_) {
  const found = [];
  const { totals, functions, pools, nodes, gpus } = document_;
  const add = (kind, href, text) => found.push({ kind, href, text });
  if (totals.failed) add("bad", "#failed", `${counted(totals.failed, "file has", "files have")} failed`);
  for (const each of functions.items) functionTroubles(each, add);
  for (const pool of pools ?? []) {
    if (pool.bootsFailing) add("bad", "#nodes", `boots fail in pool ${visible(pool.name)}`);
    if (pool.leftOut) add("warn", "#nodes", `pool ${visible(pool.name)} is left out: ${visible(pool.leftOut)}`);
  }
  const failed = nodes.states.filter((state) => nodes.stateNames[state] === "failed").length;
  if (failed) add("bad", "#nodes", `${counted(failed, "node has", "nodes have")} failed`);
  for (const gpu of gpus.items ?? []) {
    if (gpu.trouble) add("bad", "#gpus", `GPU of ${visible(gpu.place)}: ${visible(gpu.trouble)}`);
  }
  for (const source of document_.sources) {
    if (source.error) add("warn", "#sources", `${SOURCE_WORDS[source.name] ?? visible(source.name)}: ${visible(source.error)}`);
  }
  return found.sort((one, other) => (one.kind === "bad" ? 0 : 1) - (other.kind === "bad" ? 0 : 1));
}

const NEEDS_A_PERSON = ["no-pool-fits", "no-gpu-room", "no-capacity"]; // what no waiting mends

function functionTroubles(each, add) {
  const name = shortened(each.name, 40);
  if (each.fault) add("bad", "#functions", `${name} can't be worked: ${visible(each.fault)}`);
  else if (each.why?.code === "workers-failing") add("bad", "#functions", `${name}: ${visible(each.why.text)}`);
  else if (each.paused) add("warn", "#functions", `${name} is paused${each.waiting ? ` while ${counted(each.waiting, "file waits", "files wait")}` : ""}`);
  const stuck = each.unmet.find((short) => NEEDS_A_PERSON.includes(short.why.code));
  if (stuck) add("bad", "#functions", `${name}: nothing is done for ${counted(stuck.files, "file")}: ${visible(stuck.why.text)}`);
}

const MOST_ATTENTION = 6;

function attentionItem() {
  const link = h("a");
  const node = h("li", {}, link);
  function set({ kind, href, text }) {
    mark(node, "data-kind", kind);
    mark(link, "href", href);
    put(link, shortened(text, 140));
    mark(link, "title", text.length > 140 ? text : null);
  }
  return { node, set };
}

function showAttention(document_) {
  const all = attentionOf(document_);
  const shown = all.slice(0, MOST_ATTENTION);
  const rest = all.length - shown.length;
  if (rest > 0) shown.push({ kind: "warn", href: "#functions", text: `and ${number(rest)} more` });
  if (all.length === 0) shown.push({ kind: "good", href: "#sources", text: "Nothing needs a look" });
  keyed(byId("attention"), shown, (each) => `${each.href} ${each.text.replace(/\d[\d,]*/g, "#")}`, attentionItem);
}

// By name: what it is called, its value, what is added, its course.
const FIGURES = {
  waiting: { called: "waiting", value: (d) => d.totals.waiting, course: (d) => courseOf(d, "waiting"),
    more: (d) => (d.totals.oldestAt ? `oldest ${roughly(serverNow() - d.totals.oldestAt)}` : "none") },
  running: { called: "running", value: (d) => d.totals.running, course: (d) => courseOf(d, "running"), more: () => "with workers" },
  done: { called: "done", value: (d) => d.totals.done, course: (d, times) => growthOf(courseOf(d, "done"), times),
    more: (d) => (d.totals.rate ? rateText(d.totals.rate) : "none lately") },
  failed: { called: "failed", value: (d) => d.totals.failed, course: (d, times) => growthOf(courseOf(d, "failed"), times),
    more: (d) => (d.totals.other ? `${number(d.totals.other)} otherwise` : "given up") },
  workers: { called: "workers", value: (d) => d.totals.workers, course: (d) => courseOf(d, "workers"),
    more: (d) => (d.totals.wantedWorkers === null ? "" : `${number(d.totals.wantedWorkers)} wanted`) },
  nodes: { called: "nodes on", value: (d) => d.totals.nodesOn, course: nodesOn, more: (d) => (d.totals.nodes === null ? "" : `of ${number(d.totals.nodes)}`) },
};

function rateText(rate) {
  if (rate >= 1) return `${number(rate, rate < 10 ? 1 : 0)} a second`;
  return rate * 60 >= 1 ? `${number(rate * 60, rate * 60 < 10 ? 1 : 0)} a minute` : `${number(rate * 3600, 1)} an hour`;
}

function nodesOn(document_, times) {
  const layers = (document_.pools ?? []).flatMap((pool) => Object.entries(statesOf(document_, pool.name)));
  const on = layers.filter(([state]) => state !== "unknown").map(([, values]) => values);
  return times.map((_, at) => on.reduce((sum, values) => sum + values[at], 0));
}

function figure(name, { called, value, more, course }) {
  const number_ = h("span.value");
  const added = h("span.more");
  const line = spark();
  const node = h("div.figure", { "data-figure": name }, h("dt", {}, called), h("dd", {}, number_, added), line.node);
  function set(document_, times) {
    setNumber(number_, value(document_));
    put(added, more(document_));
    mark(node, "data-zero", value(document_) ? null : "");
    line.set(course(document_, times), times);
  }
  return { node, set };
}

let figures = null;

function showFigures(document_) {
  if (figures === null) {
    figures = Object.entries(FIGURES).map(([name, each]) => figure(name, each));
    byId("figures").append(...figures.map((each) => each.node));
  }
  const times = timesOf(document_);
  for (const each of figures) each.set(document_, times);
}

let failedBefore = null;

function showSummary(document_) {
  put(byId("stack-name"), visible(document_.stack.name));
  put(byId("headline"), headlineOf(document_));
  const { failed } = document_.totals;
  showAttention(document_);
  if (failedBefore !== null && failed > failedBefore) speak(`${counted(failed - failedBefore, "more file", "more files")} failed`);
  failedBefore = failed ?? failedBefore;
}
