// The functions: one row each, with what is behind it in a second row that opens.

const FUNCTION_COLUMNS = [
  ["Function"], ["Waiting", "number"], ["Running", "number"], ["Done", "number"], ["Failed", "number"],
  ["Workers", "number"], ["Oldest wait", "number"], ["Last one done", "number"], ["Actions", "act unseen-head"],
];
const MANY_FUNCTIONS = 12;
const functionOrder = sorting(
  [
    (each) => each.name, (each) => each.waiting, (each) => each.running, (each) => each.done, (each) => each.failed,
    (each) => each.workers, (each) => waited(each.oldestAt), (each) => each.forecast.at, null,
  ],
  () => showFunctions(feed.document),
);
const functionsPanel = { table: null, filter: null, wanted: "" };

function cell(label, kind, ...children) {
  return h("td", { class: kind, "data-label": label }, children);
}

function progress() {
  const parts = ["done", "failed", "running", "waiting"].map((name) => [name, svg(`rect.part-${name}`, { y: 0, height: 3 })]);
  const node = svg("svg.progress", { viewBox: "0 0 100 3", preserveAspectRatio: "none", "aria-hidden": "true" }, parts.map(([, rect]) => rect));
  function set(item) {
    const total = parts.reduce((sum, [name]) => sum + (item[name] ?? 0), 0);
    let x = 0;
    for (const [name, rect] of parts) {
      const width = total ? ((item[name] ?? 0) / total) * 100 : 0;
      mark(rect, "x", x.toFixed(2));
      mark(rect, "width", width.toFixed(2));
      x += width;
    }
  }
  return { node, set };
}

function functionRow() {
  let item = null;
  const id = `function-${(functionRow.made = (functionRow.made ?? 0) + 1)}`;
  const name = foreign("", 60);
  const opener = h("button.opener", { type: "button", "aria-expanded": "false", "aria-controls": id, click: () => open() }, name);
  const chip = h("span.chip");
  const why = h("div.why");
  const bar = progress();
  const numbers = Object.fromEntries(["waiting", "running", "done", "failed"].map((key) => [key, h("span")]));
  const workers = h("span");
  const oldest = time();
  const last = h("span");
  const pausing = actButton("Pause", () => pauseAct(item));
  const row = h("tr.function-row", {},
    h("th", { scope: "row" }, h("div.name-line", {}, opener, chip), why, bar.node),
    cell("Waiting", "number", numbers.waiting), cell("Running", "number", numbers.running),
    cell("Done", "number", numbers.done), cell("Failed", "number", numbers.failed),
    cell("Workers", "number", workers), cell("Oldest wait", "number", oldest),
    cell("Last one done", "number", last), cell("", "act", pausing));
  const facts = h("dl.facts");
  const replayAll = actButton("Replay all failed", () => replayAllAct(item));
  const details = h("tr.details-row", { id, hidden: true }, h("td", { colspan: FUNCTION_COLUMNS.length }, facts, replayAll));
  function open() {
    const isOpen = details.hidden;
    show(details, isOpen);
    mark(opener, "aria-expanded", String(isOpen));
    if (isOpen) showFacts(facts, item);
  }
  function set(found) {
    item = found;
    setForeign(name, item.name, 60);
    showChip(chip, item);
    put(why, shortened(whyText(item), 150));
    mark(why, "title", whyText(item).length > 150 ? visible(whyText(item)) : null);
    bar.set(item);
    for (const [key, node] of Object.entries(numbers)) setNumber(node, item[key]);
    mark(numbers.failed, "class", item.failed ? "alarm" : null);
    put(workers, workersText(item));
    mark(workers, "title", item.wanted === null ? null : `${number(item.working)} of them have a file; ${number(item.wanted)} wanted, at most ${number(item.maxWorkers)}`);
    setTime(oldest, item.oldestAt, "wait");
    if (item.oldestAt === null && item.waiting !== null) put(oldest, "none");
    showLast(last, item);
    showPausing(pausing, item);
    show(replayAll, Boolean(item.failed) && canAct());
    if (!details.hidden) showFacts(facts, item);
  }
  return { node: row, details, set };
}

function showChip(chip, item) {
  const [text, kind] = item.fault ? ["fault", "bad"] : item.paused ? ["paused", "warn"]
    : item.why?.code === "workers-failing" ? ["workers fail", "bad"] : item.unmet.length ? ["held back", "quiet"]
      : item.remark ? [shortened(item.remark, 40), "warn"] : ["", ""];
  put(chip, text);
  mark(chip, "data-kind", kind);
  show(chip, text !== "");
}

function whyText(item) {
  if (item.fault) return item.fault;
  const total = [item.waiting, item.running, item.done, item.failed].reduce((sum, value) => sum + (value ?? 0), 0);
  if (total === 0 && item.waiting !== null && item.inputs.length) return `no file yet: put one into ${item.inputs[0]}`;
  return item.why?.text ?? "";
}

function workersText(item) {
  if (item.workers === null) return UNKNOWN;
  return item.wanted === null || item.wanted === item.workers ? number(item.workers) : `${number(item.workers)} → ${number(item.wanted)}`;
}

// How sure it is, too: in 6 min, in about 6 min, perhaps in 6 min.
function soonText({ at, sureness }) {
  const text = timeText(at);
  if (sureness === "low") return `perhaps ${text}`;
  return sureness === "medium" ? text.replace(/^(in )?/, "$1about ") : text;
}

function showLast(node, item) {
  const { forecast } = item;
  const isNone = item.waiting === 0 && item.running === 0;
  put(node, isNone ? "all done" : forecast.at === null ? UNKNOWN : soonText(forecast));
  const span = forecast.earliest === null ? "" : `; between ${clock(forecast.earliest)} and ${clock(forecast.latest)}`;
  mark(node, "title", forecast.at === null ? visible(forecast.text) : `${exactly(forecast.at)}${span}: ${visible(forecast.text)}`);
}

function showPausing(node, item) {
  show(node, canAct() && !item.fault && item.paused !== null);
  if (node.getAttribute("aria-busy") === "true") return;
  put(node, item.paused ? "Resume" : "Pause");
  mark(node, "aria-label", `${item.paused ? "Resume" : "Pause"} ${shortened(item.name, 60)}`);
}

function fact(name, value) {
  return value === null || value === "" || value === UNKNOWN ? [] : [h("dt", {}, name), h("dd", {}, value)];
}

function showFacts(node, item) {
  const other = [["superseded", item.superseded], ["gone", item.gone], ["purged", item.purged]].filter(([, value]) => value);
  const parts = [
    ...fact("reads", visible(item.inputs.join(", "))), ...fact("writes", visible(item.outputs.join(", "))),
    ...fact("tenant", visible(item.tenant)), ...fact("GPU", visible(item.gpu ?? "")),
    ...fact("why so many workers", item.why ? `${visible(item.why.text)} (${visible(item.why.code)})` : null),
    ...fact("workers", item.workers === null ? null : `${number(item.working)} of ${number(item.workers)} have a file; ${number(item.wanted)} wanted, at most ${number(item.maxWorkers)}`),
    ...item.unmet.flatMap((each) => fact("nothing is done", `for ${counted(each.files, "file")}: ${visible(each.why.text)}${each.until ? `; looked at again ${timeText(each.until)}` : ""}`)),
    ...fact("when all is done", `${item.forecast.at === null ? "" : `${exactly(item.forecast.at)}: `}${visible(item.forecast.text)}`),
    ...fact("rate", item.rate ? rateText(item.rate) : null),
    ...fact("a file takes", finely(item.fileSeconds)), ...fact("a worker's start takes", finely(item.startSeconds)),
    ...fact("a file waits at most", item.maxWaitSeconds ? `${duration(item.maxWaitSeconds)}, and one boot` : null),
    ...fact("ended otherwise", other.map(([name, value]) => `${number(value)} ${name}`).join(", ")),
  ];
  const text = parts.map((each) => each.textContent).join("|");
  if (node.headraceText === text) return;
  node.headraceText = text;
  node.replaceChildren(...parts);
}

function pauseAct(item) {
  const name = shortened(item.name, 60);
  return item.paused
    ? { name: "resume", body: { function: item.name }, title: `Resume ${name}?`, verb: "Resume", doing: "Resuming …",
      words: `Its ${counted(item.waiting ?? 0, "waiting file")} will be worked.` }
    : { name: "pause", body: { function: item.name }, title: `Pause ${name}?`, verb: "Pause", doing: "Pausing …",
      words: "Files that are being worked are finished; the others wait until somebody resumes it. New files are taken, and wait." };
}

function replayAllAct(item) {
  return { name: "replay", body: { function: item.name }, title: `Replay all failed files of ${shortened(item.name, 60)}?`,
    verb: "Replay all", doing: "Replaying …",
    words: `${counted(item.failed, "file")} will wait again, with all attempts anew. What failed stays in the history.` };
}

function functionBody(item) {
  const row = functionRow();
  const node = h("tbody", {}, row.node, row.details);
  return { node, set: row.set };
}

function buildFunctions(body) {
  const built = table("Functions: files by state, workers, and when the last will be done", FUNCTION_COLUMNS, "stack functions", functionOrder);
  built.body.remove();
  const field = h("input", { type: "search", id: "function-filter", placeholder: "Filter", input: () => {
    functionsPanel.wanted = field.value.toLowerCase();
    showFunctions(feed.document);
  } });
  functionsPanel.filter = h("p.filter", {}, h("label.unseen", { for: "function-filter" }, "Functions whose name holds"), field);
  functionsPanel.table = built.node;
  functionsPanel.more = h("p.quiet");
  body.replaceChildren(functionsPanel.filter, built.node, functionsPanel.more);
}

function showFunctions({ functions }) {
  const body = byId("functions").querySelector(".panel-body");
  if (functions.total === null) {
    functionsPanel.table = null;
    body.replaceChildren(empty("Which functions there are is not known yet."));
    return;
  }
  if (functions.total === 0) {
    functionsPanel.table = null;
    body.replaceChildren(empty("No function yet: ", h("code", {}, "headrace function new NAME"), " writes one, and ",
      h("code", {}, "headrace up"), " or ", h("code", {}, "pulumi up"), " takes it up. Then put a file into its bucket."));
    return;
  }
  if (functionsPanel.table === null) buildFunctions(body);
  show(functionsPanel.filter, functions.items.length > MANY_FUNCTIONS);
  const wanted = functions.items.filter((each) => each.name.toLowerCase().includes(functionsPanel.wanted));
  keyed(functionsPanel.table, functionOrder.arranged(wanted), (each) => each.name, functionBody, functionsPanel.table.tHead);
  const left = functions.total - functions.items.length;
  put(functionsPanel.more, left > 0 ? `${counted(left, "more function")} not shown here; headrace status tells all.` : "");
}
