// Workers, those first that hold files longest; and tenants, where some are declared.

const FIRST_WORKERS = 12;
const WORKER_COLUMNS = [["Worker"], ["Function"], ["Node"], ["Files", "number"], ["For", "number"]];
const workerOrder = sorting(
  [(each) => each.name, (each) => each.function, (each) => each.node, (each) => each.held, (each) => waited(each.since)],
  () => showWorkers(feed.document),
);
let workerTable = null;
let isEveryWorker = false;

function workerRow() {
  const parts = [foreign("", 50), foreign("", 40), foreign("", 40), h("span"), time()];
  const node = h("tr", {}, h("th", { scope: "row" }, parts[0]), cell("Function", null, parts[1]), cell("Node", null, parts[2]),
    cell("Files", "number", parts[3]), cell("For", "number", parts[4]));
  function set(each) {
    setForeign(parts[0], each.name, 50);
    setForeign(parts[1], each.function, 40);
    setForeign(parts[2], each.node ?? UNKNOWN, 40);
    setNumber(parts[3], each.held);
    setTime(parts[4], each.since, "wait");
  }
  return { node, set };
}

function showWorkers({ workers, functions }) {
  const body = byId("workers").querySelector(".panel-body");
  if (workers.names.length === 0) {
    workerTable = null;
    body.replaceChildren(empty(workers.total === null ? "The workers have not been heard yet."
      : functions.total ? "No worker now: some start when files wait, and end when nothing is left." : "No worker yet."));
    return;
  }
  if (workerTable === null) {
    workerTable = table("Workers, with what they hold", WORKER_COLUMNS, "stack", workerOrder);
    workerTable.told = h("p.quiet");
    workerTable.more = button("", () => {
      isEveryWorker = !isEveryWorker;
      showWorkers(feed.document);
    });
    body.replaceChildren(workerTable.told, workerTable.node, workerTable.more);
  }
  const every = workers.names.map((name, at) => ({
    name, function: workers.functions[at], node: workers.nodes[at], held: workers.held[at], since: workers.since[at],
  }));
  const rows = workerOrder.arranged(every).slice(0, isEveryWorker ? undefined : FIRST_WORKERS);
  const busy = workers.held.filter((held) => held > 0).length;
  put(workerTable.told, `${number(busy)} of ${number(workers.total ?? workers.names.length)} hold files` +
    (workerOrder.isChosen() ? "." : "; those that hold them longest come first."));
  show(workerTable.more, workers.names.length > FIRST_WORKERS);
  put(workerTable.more, isEveryWorker ? "Show fewer" : `Show ${number(workers.names.length)}`);
  keyed(workerTable.body, rows, (each) => each.name, workerRow);
}

const TENANT_COLUMNS = [["Tenant"], ["Waiting", "number"], ["Workers", "number"], ["Share", "number"], ["Used"], ["Quota"]];
const tenantOrder = sorting(
  [(each) => each.name, (each) => each.waiting, (each) => each.workers, (each) => each.share, null, null],
  () => showTenants(feed.document),
);
let tenantTable = null;

function amounts(found) {
  return Object.entries(found).map(([name, value]) => `${visible(name)} ${amountOf(name, value)}`).join(", ") || "none";
}

// Thousandths of a core and bytes, as the platform counts them.
function amountOf(name, value) {
  if (name === "cpu") return number(value / 1000, value % 1000 ? 1 : 0);
  return name === "memory" || name.endsWith("storage") ? bytes(value) : number(value);
}

function tenantRow() {
  const name = foreign("", 40);
  const parts = Array.from({ length: 5 }, () => h("span"));
  const labels = ["Waiting", "Workers", "Share", "Used", "Quota"];
  const node = h("tr", {}, h("th", { scope: "row" }, name), parts.map((each, at) => cell(labels[at], at < 3 ? "number" : null, each)));
  function set(each) {
    setForeign(name, each.name, 40);
    setNumber(parts[0], each.waiting);
    setNumber(parts[1], each.workers);
    put(parts[2], each.resource ? `${number(each.share * 100, 1)} % of ${visible(each.resource)}` : "0 %");
    put(parts[3], amounts(each.used));
    put(parts[4], amounts(each.quota));
  }
  return { node, set };
}

function showTenants({ tenants }) {
  show(byId("tenants"), tenants.length > 0);
  if (tenants.length === 0) return;
  if (tenantTable === null) {
    tenantTable = table("Tenants and their shares", TENANT_COLUMNS, "stack", tenantOrder);
    byId("tenants").querySelector(".panel-body").replaceChildren(tenantTable.node);
  }
  keyed(tenantTable.body, tenantOrder.arranged(tenants), (each) => each.name, tenantRow);
}
