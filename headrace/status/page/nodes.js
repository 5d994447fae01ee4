// Nodes by pool: how many of each state, their course, the field of all; one chosen node; all of them as a table.

const MOST_WORDS = 6; // states of one node that are told
const nodesPanel = { isBuilt: false, pools: null, legend: null, chosen: null, chosenName: null, grids: new Map(), strips: new Map(), list: null };

// The columns of the document as one value a node.
function nodesOf({ nodes }) {
  return nodes.names.map((name, at) => ({
    name, pool: nodes.poolNames[nodes.pools[at]], state: stateOf(nodes.stateNames[nodes.states[at]]),
    since: nodes.since[at], workers: nodes.workers[at], enabled: nodes.enabled[at],
    why: nodes.why[at] === null ? null : nodes.whys[nodes.why[at]], expected: nodes.expected[at],
    runs: nodes.runs[at], stateNames: nodes.stateNames,
  }));
}

function countsWords(states) {
  const parts = KNOWN_STATES.filter((state) => states[state]).map((state) => `${number(states[state])}\u00a0${state}`);
  return parts.join(", ") || "none on";
}

function poolFacts(pool) {
  const parts = [`${number(pool.minNodes)} to ${number(pool.maxNodes)} nodes`, `boots in ${roughly(pool.bootSeconds)}`];
  if (pool.pricePerHour !== null) parts.push(`${money(pool.pricePerHour)} an hour each`);
  if (pool.driver) parts.push(`driver ${visible(pool.driver)}`);
  if (pool.provides === "gpuServers") parts.push("serves remote GPUs");
  const each = Object.entries(pool.capacity).map(([name, amount]) => `${visible(name)} ${visible(amount)}`);
  if (each.length) parts.push(each.join(", "));
  return parts.map((each) => each.replaceAll(" ", "\u00a0").replaceAll(",\u00a0", ", ")).join("\u00a0· ");
}

function poolRow() {
  const name = h("h3");
  const chips = h("span.chip");
  const counts = h("p.counts");
  const facts = h("p.quiet");
  const course = strip();
  const grid = nodeGrid((node) => choose(node.name, node.pool));
  const field = h("div.field", {}, grid.node);
  const node = h("article.pool", {}, h("div.pool-words", {}, h("div.name-line", {}, name, chips), counts, facts), course.node, field);
  function set({ pool, nodes }) {
    nodesPanel.grids.set(pool.name, grid);
    nodesPanel.strips.set(pool.name, course);
    put(name, shortened(pool.name, 40));
    const trouble = pool.leftOut ? "left out" : pool.bootsFailing ? "boots fail" : "";
    put(chips, trouble);
    mark(chips, "data-kind", pool.leftOut ? "warn" : "bad");
    mark(chips, "title", pool.leftOut ? visible(pool.leftOut) : null);
    show(chips, trouble !== "");
    const wanted = onOf(pool.states) === pool.wanted ? "" : ` · ${number(pool.wanted)} wanted`;
    put(counts, `${countsWords(pool.states)}${wanted}`);
    put(facts, poolFacts(pool));
    grid.set(nodes, `Pool ${shortened(pool.name, 40)}: ${countsWords(pool.states)}. Arrow keys choose a node; all are in the table below.`);
    show(field, nodes.length > 0);
  }
  return { node, set };
}

function onOf(states) {
  return ["busy", "idle", "booting"].reduce((sum, state) => sum + (states[state] ?? 0), 0);
}

function choose(name, pool) {
  nodesPanel.chosenName = name;
  askAboutNode(name).catch(() => {}); // what the document tells is shown without it
  for (const [other, grid] of nodesPanel.grids) if (other !== pool) grid.leave();
  showChosen(feed.document, { isNew: true });
}

// More than the document has room for: all of a node's states, its workers by function.
async function askAboutNode(name) {
  const answer = await fetched(`nodes/${encodeURIComponent(name)}.json`);
  if (!answer.ok || nodesPanel.chosenName !== name) return;
  nodesPanel.detail = await answer.json();
  if (feed.document !== null) showChosen(feed.document);
}

function detailOf(node) {
  return nodesPanel.detail?.name === node.name && nodesPanel.detail.since === node.since ? nodesPanel.detail : null;
}

// [state, seconds] of all that is known, the oldest first.
function runsOfNode(node) {
  const now = Math.max(1, Math.round(serverNow() - node.since));
  const { runs } = detailOf(node) ?? {};
  if (runs) return runs.map((run, at) => [stateOf(run.state), at + 1 < runs.length ? runs[at + 1].start - run.start : now]);
  const found = [];
  for (let at = 0; at < node.runs.length; at += 2) found.push([stateOf(node.stateNames[node.runs[at]]), node.runs[at + 1]]);
  return [...found, [node.state, now]];
}

// Its states before and now, on one line from the oldest known moment; the last ones in words.
function life(node) {
  const runs = runsOfNode(node);
  const total = runs.reduce((sum, [, seconds]) => sum + seconds, 0);
  let x = 0;
  const rects = runs.map(([state, seconds]) => {
    const width = Math.max(0.4, (seconds / total) * 100);
    const rect = svg(`rect.layer.state-${state}`, { x: x.toFixed(2), y: 0, width: width.toFixed(2), height: 10 });
    x += width;
    return rect;
  });
  const words = runs.slice(-MOST_WORDS).map(([state, seconds]) => `${state} ${duration(seconds)}`).join(", then ");
  return h("figure.life", {}, svg("svg.life-line", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, rects),
    h("figcaption.quiet", {}, words));
}

function showChosen(document_, { isNew = false } = {}) {
  const node = nodesOf(document_).find((each) => each.name === nodesPanel.chosenName);
  show(nodesPanel.chosen, Boolean(node));
  if (!node) return;
  const detail = detailOf(node);
  const why = detail?.why ?? node.why;
  const signature = JSON.stringify([node.name, node.state, node.since, node.workers, node.enabled, why, session.may, detail]);
  if (nodesPanel.chosen.headraceText === signature) return;
  nodesPanel.chosen.headraceText = signature;
  const hadFocus = nodesPanel.chosen.contains(document.activeElement);
  const press = nodeButton();
  press.set(node);
  nodesPanel.chosen.replaceChildren(
    h("div.name-line", {}, h("h3", {}, foreign(node.name, 60)), stateChip(node.state), node.enabled ? null : h("span.chip", { "data-kind": "warn" }, "disabled"), press.node),
    h("p", {}, `${visible(node.pool)} · since `, time(node.since), ` · ${workersOf(node, detail)}`,
      node.expected === null ? null : " · expected ", node.expected === null ? null : time(node.expected)),
    h("p.why", {}, why === null ? "" : visible(why.text)), life(node));
  if (hadFocus) press.node.focus();
  if (isNew) speak(`${visible(node.name)}: ${node.state}, ${counted(node.workers, "worker")}. ${node.why ? visible(node.why.text) : ""}`, { isUrgent: true });
}

function workersOf(node, detail) {
  const by = Object.entries(detail?.workers ?? {}).map(([name, count]) => `${number(count)} of ${shortened(name, 40)}`);
  return `${counted(node.workers, "worker")}${by.length ? `: ${by.join(", ")}` : ""}`;
}

function stateChip(state) {
  const name = h("span", {}, state);
  return h("span.state", {}, h(`span.swatch.state-${state}`, { "aria-hidden": "true" }), name);
}

function nodeButton() {
  let node = null;
  const press = actButton("Disable", () => nodeAct(node));
  function set(found) {
    node = found;
    show(press, canAct());
    if (press.getAttribute("aria-busy") === "true") return;
    put(press, node.enabled ? "Disable" : "Enable");
    mark(press, "aria-label", `${node.enabled ? "Disable" : "Enable"} node ${shortened(node.name, 60)}`);
  }
  return { node: press, set };
}

function nodeAct(node) {
  const name = shortened(node.name, 60);
  return node.enabled
    ? { name: "disable", body: { node: node.name }, title: `Disable node ${name}?`, verb: "Disable", doing: "Disabling …",
      words: `It takes no new work until somebody enables it. Its ${counted(node.workers, "worker")} finish the files that they compute, and hand back the others.` }
    : { name: "enable", body: { node: node.name }, title: `Enable node ${name}?`, verb: "Enable", doing: "Enabling …",
      words: "It takes work again." };
}

function buildNodes(body) {
  nodesPanel.isBuilt = true;
  nodesPanel.legend = h("ul.legend", { "aria-label": "States of nodes" });
  nodesPanel.pools = h("div.pools");
  nodesPanel.chosen = h("div.chosen", { hidden: true });
  nodesPanel.list = nodeList();
  body.replaceChildren(nodesPanel.legend, nodesPanel.pools, nodesPanel.chosen, nodesPanel.list.node);
}

function legendItem(state) {
  const count = h("span");
  const node = h("li", {}, legendSquare(state), ` ${state} `, count);
  return { node, set: (now) => put(count, number(legendItem.counts[now] ?? 0)) };
}

function showLegend(pools) {
  const counts = {};
  for (const pool of pools) for (const [state, value] of Object.entries(pool.states)) counts[stateOf(state)] = (counts[stateOf(state)] ?? 0) + value;
  legendItem.counts = counts;
  keyed(nodesPanel.legend, KNOWN_STATES.filter((state) => counts[state]), (state) => state, legendItem);
}

function showNodes(document_) {
  const body = byId("nodes").querySelector(".panel-body");
  const pools = document_.pools ?? [];
  if (pools.length === 0) {
    nodesPanel.isBuilt = false;
    body.replaceChildren(empty(document_.pools === null ? "The scaler has told nothing of its pools yet." : "No node pool yet: ",
      document_.pools === null ? "" : "files wait until one is declared, in the stack's ", document_.pools === null ? "" : h("code", {}, "pools"), document_.pools === null ? "" : "."));
    return;
  }
  if (!nodesPanel.isBuilt) buildNodes(body);
  const nodes = nodesOf(document_);
  const byPool = Map.groupBy(nodes, (each) => each.pool);
  showLegend(pools);
  keyed(nodesPanel.pools, pools.map((pool) => ({ pool, nodes: byPool.get(pool.name) ?? [] })), (each) => each.pool.name, poolRow);
  showChosen(document_);
  nodesPanel.list.set(nodes, document_.nodes.total);
}

// The height is what the pool may have, unless that would leave nothing to see.
function showStrips(document_) {
  const times = timesOf(document_);
  for (const pool of document_.pools ?? []) {
    const states = statesOf(document_, pool.name);
    const sums = times.map((_, at) => Object.values(states).reduce((sum, values) => sum + values[at], 0));
    const highest = Math.max(1, ...sums);
    const most = pool.maxNodes <= highest * 4 ? Math.max(pool.maxNodes, highest) : highest;
    nodesPanel.strips.get(pool.name)?.set({ times, states, most, label: courseWords(states, pool.name, times) });
  }
}

function redrawNodes() {
  colours.clear();
  for (const grid of nodesPanel.grids.values()) grid.redraw();
  nodesPanel.legend?.replaceChildren();
  if (nodesPanel.legend) nodesPanel.legend.headraceParts = new Map();
  if (feed.document?.pools && nodesPanel.isBuilt) showLegend(feed.document.pools);
}
