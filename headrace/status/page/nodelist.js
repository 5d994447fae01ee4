// All nodes as a table, for those who read rather than look: filtered by words, a page at a time, drawn only while it is open.

const PAGE_ROWS = 50;
const NODE_COLUMNS = [["Node"], ["Pool"], ["State"], ["Since"], ["Workers", "number"], ["Why"], ["", "act unseen-head"]];

function nodeRow() {
  const name = foreign("", 60);
  const pool = foreign("", 40);
  const state = h("span");
  const swatch = h("span.swatch", { "aria-hidden": "true" });
  const since = time();
  const workers = h("span");
  const why = h("span.quiet.wrap");
  const press = nodeButton();
  const node = h("tr", {}, h("th", { scope: "row" }, name), cell("Pool", null, pool), cell("State", null, h("span.state", {}, swatch, state)),
    cell("Since", null, since), cell("Workers", "number", workers), cell("Why", null, why), cell("", "act", press.node));
  function set(found) {
    setForeign(name, found.name, 60);
    setForeign(pool, found.pool, 40);
    put(state, found.enabled ? found.state : `${found.state}, disabled`);
    mark(swatch, "class", `swatch state-${found.state}`);
    setTime(since, found.since);
    setNumber(workers, found.workers);
    put(why, found.why === null ? "" : shortened(found.why.text, 120));
    press.set(found);
  }
  return { node, set };
}

function nodeList() {
  const list = { nodes: [], page: 0, wanted: "", total: 0 };
  const order = sorting(
    [
      (each) => each.name, (each) => each.pool, (each) => KNOWN_STATES.indexOf(each.state), (each) => each.since,
      (each) => each.workers, (each) => each.why?.text, null,
    ],
    () => turn(-list.page),
  );
  const summary = h("summary", {}, "All nodes as a table");
  const field = h("input", { type: "search", id: "node-filter", placeholder: "Name, pool or state", input: () => {
    list.wanted = field.value.toLowerCase();
    list.page = 0;
    draw();
  } });
  const { node: built, body } = table("All nodes", NODE_COLUMNS, "stack", order);
  const told = h("p.quiet", { role: "status" });
  const back = button("Earlier", () => turn(-1));
  const on = button("Further", () => turn(1));
  const node = h("details.list", { toggle: () => draw() }, summary,
    h("p.filter", {}, h("label", { for: "node-filter" }, "Show nodes whose name, pool or state holds "), field),
    built, h("div.pager", {}, back, on, told));
  function turn(by) {
    list.page += by;
    draw();
  }
  function draw() {
    if (!node.open) return;
    const found = list.nodes.filter((each) => `${each.name} ${each.pool} ${each.state}${each.enabled ? "" : " disabled"}`.toLowerCase().includes(list.wanted));
    const pages = Math.max(1, Math.ceil(found.length / PAGE_ROWS));
    list.page = Math.min(Math.max(0, list.page), pages - 1);
    const start = list.page * PAGE_ROWS;
    keyed(body, order.arranged(found).slice(start, start + PAGE_ROWS), (each) => each.name, nodeRow);
    const rest = list.total > list.nodes.length ? `, the first ${number(list.nodes.length)} of ${number(list.total)}` : "";
    put(told, found.length === 0 ? "No such node." : `${number(start + 1)} to ${number(Math.min(start + PAGE_ROWS, found.length))} of ${number(found.length)}${rest}`);
    back.disabled = list.page === 0;
    on.disabled = list.page === pages - 1;
  }
  function set(nodes, total) {
    Object.assign(list, { nodes, total: total ?? nodes.length });
    put(summary, `All nodes as a table (${number(list.total)})`);
    draw();
  }
  return { node, set };
}
