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
  const rough = forecast.sureness === "high" ? "in" : forecast.sureness === "medium" ? "in about" : "perhaps in";
  return `; the last will be done ${rough} ${roughly(Math.max(1, forecast.at - serverNow()))}`;
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

function functionTroubles(each, add) {
  const name = shortened(each.name, 40);
  if (each.fault) add("bad", "#functions", `${name} can't be worked: ${visible(each.fault)}`);
  else if (each.why?.code === "workers-failing") add("bad", "#functions", `${name}: ${visible(each.why.text)}`);
  else if (each.paused) add("warn", "#functions", `${name} is paused${each.waiting ? ` while ${counted(each.waiting, "file waits", "files wait")}` : ""}`);
  else if (each.unmet.length) add("warn", "#functions", `${name}: for ${counted(each.unmet[0].files, "file")} nothing is done now: ${visible(each.unmet[0].why.text)}`);
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

const FIGURES = [ // [key, name, value, what is added, course]
  ["waiting", "waiting", (d) => d.totals.waiting, (d) => (d.totals.oldestAt ? `oldest ${roughly(serverNow() - d.totals.oldestAt)}` : "none"), (d) => d.course.waiting],
  ["running", "running", (d) => d.totals.running, () => "with workers", (d) => d.course.running],
  ["done", "done", (d) => d.totals.done, (d) => (d.totals.rate ? rateText(d.totals.rate) : "none lately"), (d) => steps(d.course.done)],
  ["failed", "failed", (d) => d.totals.failed, (d) => (d.totals.other ? `${number(d.totals.other)} otherwise` : "given up"), (d) => steps(d.course.failed)],
  ["workers", "workers", (d) => d.totals.workers, (d) => (d.totals.wantedWorkers === null ? "" : `${number(d.totals.wantedWorkers)} wanted`), (d) => d.course.workers],
  ["nodes", "nodes on", (d) => d.totals.nodesOn, (d) => (d.totals.nodes === null ? "" : `of ${number(d.totals.nodes)}`), (d) => nodesOn(d.course)],
];

function rateText(rate) {
  if (rate >= 1) return `${number(rate, rate < 10 ? 1 : 0)} a second`;
  return rate * 60 >= 1 ? `${number(rate * 60, rate * 60 < 10 ? 1 : 0)} a minute` : `${number(rate * 3600, 1)} an hour`;
}

// From a count that only grows, what came new at each point.
function steps(values) {
  return values.map((value, at) => (at && value !== null && values[at - 1] !== null ? Math.max(0, value - values[at - 1]) : null));
}

function nodesOn(course) {
  const all = Object.values(course.pools).flatMap((states) =>
    Object.entries(states).filter(([state]) => state !== "off" && state !== "unknown").map(([, values]) => values));
  return course.times.map((_, at) => all.reduce((sum, values) => sum + (values[at] ?? 0), 0));
}

function figure([key, name]) {
  const value = h("span.value");
  const more = h("span.more");
  const line = spark();
  const node = h("div.figure", { "data-figure": key }, h("dt", {}, name), h("dd", {}, value, more), line.node);
  function set([, , valueOf, moreOf, courseOf], document_) {
    const found = valueOf(document_);
    setNumber(value, found);
    put(more, moreOf(document_));
    mark(node, "data-zero", found ? null : "");
    line.set(courseOf(document_));
  }
  return { node, set };
}

const figures = new Map();

function showFigures(document_) {
  for (const each of FIGURES) {
    if (!figures.has(each[0])) {
      figures.set(each[0], figure(each));
      byId("figures").append(figures.get(each[0]).node);
    }
    figures.get(each[0]).set(each, document_);
  }
}

let failedBefore = null;

function showSummary(document_) {
  const name = visible(document_.stack.name);
  put(byId("stack-name"), name);
  put(byId("headline"), headlineOf(document_));
  const { waiting, failed } = document_.totals;
  const stale = document.body.hasAttribute("data-stale") ? "stale: " : "";
  document.title = `${stale}${number(waiting)} waiting${failed ? `, ${number(failed)} failed` : ""} · ${name} · Headrace`;
  showAttention(document_);
  showFigures(document_);
  if (failedBefore !== null && failed > failedBefore) speak(`${counted(failed - failedBefore, "more file", "more files")} failed`);
  failedBefore = failed ?? failedBefore;
}
