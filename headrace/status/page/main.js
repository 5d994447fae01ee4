// Puts the parts together: what is drawn when which part of the document has changed.

const PANELS = [ // [parts of the document that it shows, how]
  [["totals", "functions", "pools", "nodes", "gpus", "sources", "stack"], showSummary],
  [["at"], showFigures],
  [["functions"], showFunctions],
  [["failed", "totals"], showFailed],
  [["nodes", "pools"], showNodes],
  [["at"], showStrips],
  [["gpus", "stack"], showGpus],
  [["decisions"], showDecisions],
  [["cost"], showCost],
  [["workers", "functions"], showWorkers],
  [["tenants"], showTenants],
  [["sources", "stack"], showSources],
];
const THEMES = ["system", "light", "dark"];
const due = new Set();
let isDrawing = false;

function changed(parts) {
  for (const part of parts) due.add(part);
  if (!isDrawing) {
    isDrawing = true;
    // A page in the background has no frames to draw in; it is drawn all the same, so that its title tells the truth.
    if (document.hidden) setTimeout(draw, 0);
    else requestAnimationFrame(draw);
  }
}

function draw() {
  isDrawing = false;
  const document_ = feed.document;
  if (document_ !== null) {
    remember(document_);
    for (const [parts, showPart] of PANELS) if (parts.some((part) => due.has(part))) showPart(document_);
    performance.measure("headrace-drawn", { start: "headrace-heard", detail: document_.sequence });
    performance.clearMeasures();
    performance.clearMarks();
    performance.mark("headrace-heard"); // for what is drawn anew without having heard anything
    mark(byId("main"), "data-drawn", String(document_.sequence));
  }
  due.clear();
  showFreshness();
  if (document_ !== null) showOldParts(document_);
}

function tick() {
  watchSilence();
  showFreshness();
  tickTimes();
  if (feed.document !== null) showOldParts(feed.document);
}

function redrawAll() {
  if (feed.document !== null) changed(Object.keys(feed.document));
}

function stored(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch {
    return null; // a browser that keeps nothing
  }
}

function setTheme(theme) {
  mark(document.documentElement, "data-theme", theme === "system" ? null : theme);
  put(byId("theme"), `Theme: ${theme}`);
  redrawNodes();
}

function startTheme() {
  let theme = THEMES.includes(stored("headrace-theme")) ? stored("headrace-theme") : "system";
  setTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    stored("headrace-theme", theme);
    setTheme(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawNodes);
}

function startTools() {
  byId("exact").addEventListener("click", () => {
    view.exact = !view.exact;
    mark(byId("exact"), "aria-pressed", String(view.exact));
    mark(document.body, "data-exact", view.exact ? "" : null);
    tickTimes();
    redrawAll();
  });
  byId("menu").addEventListener("click", () => {
    const isOpen = document.body.toggleAttribute("data-menu");
    mark(byId("menu"), "aria-expanded", String(isOpen));
  });
  byId("login").addEventListener("click", switchLogin);
  addEventListener("headrace-session", redrawAll);
}

async function start() {
  takeTokenFromAddress();
  startTheme();
  startTools();
  const asking = renewSession().catch(() => {}); // the feed tells that the service is away
  if (token() !== null) await asking;
  startFeed(changed);
  setInterval(tick, 1000);
}

start();
