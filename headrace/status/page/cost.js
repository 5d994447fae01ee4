// What the nodes have cost, beside what as many as there may be would have cost, always on.

const COST_COLUMNS = [["Pool"], ["Node-hours", "number"], ["always on", "number"], ["Cost", "number"], ["always on", "number"]];
const costOrder = sorting(
  [(each) => each.pool, (each) => each.nodeSeconds, (each) => each.alwaysOnNodeSeconds, (each) => each.cost, (each) => each.alwaysOn],
  () => showCost(feed.document),
);
let costParts = null;

function costBar(kind) {
  const rect = svg(`rect.cost-${kind}`, { x: 0, y: 0, height: 10 });
  const node = svg("svg.cost-bar", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, rect);
  return { node, set: (share) => mark(rect, "width", (Math.min(1, share) * 100).toFixed(2)) };
}

function costLine(kind, name) {
  const value = h("strong.value");
  const bar = costBar(kind);
  return { node: h("div.cost-line", {}, h("dt", {}, name), h("dd", {}, value), bar.node), value, bar };
}

function buildCost(body) {
  const own = costLine("own", "so far");
  const always = costLine("always", "always on");
  const saved = h("p.saved");
  const notes = h("p.quiet");
  const built = table("Cost by pool", COST_COLUMNS, "stack", costOrder);
  const list = h("details.list", {}, h("summary", {}, "By pool"), built.node);
  body.replaceChildren(saved, h("dl.cost-lines", {}, own.node, always.node), notes, list);
  return { own, always, saved, notes, body: built.body };
}

function poolCostRow() {
  const name = foreign("", 40);
  const cells = [h("span"), h("span"), h("span"), h("span")];
  const labels = ["Node-hours", "Always on", "Cost", "Cost always on"];
  const node = h("tr", {}, h("th", { scope: "row" }, name), cells.map((each, at) => cell(labels[at], "number", each)));
  function set(each) {
    setForeign(name, each.pool, 40);
    put(cells[0], number(each.nodeSeconds / 3600, 1));
    put(cells[1], number(each.alwaysOnNodeSeconds / 3600, 1));
    put(cells[2], money(each.cost));
    put(cells[3], money(each.alwaysOn));
  }
  return { node, set };
}

// In money where pools have prices, else in node-hours.
function costFigures(cost) {
  if (cost.cost !== null) return { own: cost.cost, always: cost.alwaysOn, text: money };
  const sum = (name) => cost.pools.reduce((total, each) => total + each[name], 0) / 3600;
  return { own: sum("nodeSeconds"), always: sum("alwaysOnNodeSeconds"), text: (value) => (value < 1 ? `${duration(value * 3600)} of a node` : `${number(value, 1)} node-hours`) };
}

function costNotes(cost) {
  const parts = [`Over ${duration(cost.observedSeconds)} since ${exactly(cost.since)}; always on: as many nodes as maxNodes allows.`];
  if (cost.cost !== null) parts.push("In the currency of pricePerHour.");
  if (cost.unpriced.length) parts.push(`Without a price: ${shortened(cost.unpriced.join(", "), 120)}; write pricePerHour to count ${cost.unpriced.length === 1 ? "it" : "them"}.`);
  return parts.join(" ");
}

function showCost({ cost }) {
  const body = byId("cost").querySelector(".panel-body");
  if (cost.since === null || cost.pools.length === 0) {
    costParts = null;
    body.replaceChildren(empty("Nothing is counted yet: it begins with the scaler's first plan."));
    return;
  }
  costParts ??= buildCost(body);
  const { own, always, text } = costFigures(cost);
  const most = Math.max(own, always, 1e-9);
  put(costParts.own.value, text(own));
  put(costParts.always.value, text(always));
  costParts.own.bar.set(own / most);
  costParts.always.bar.set(always / most);
  put(costParts.saved, own < always * 0.995 ? `${number((1 - own / always) * 100)} % less than always on` : "");
  put(costParts.notes, costNotes(cost));
  keyed(costParts.body, costOrder.arranged(cost.pools), (each) => each.pool, poolCostRow);
}
