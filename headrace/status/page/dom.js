// Elements, and lists of them that keep what a person has opened or focused. Text is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";
// Said outright, as a table that is laid out as blocks on a phone would lose them.
const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell" };
const view = { exact: false }; // whether times are told exactly instead of by their age

function byId(id) {
  return document.getElementById(id);
}

function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const role = tag === "th" ? `${attributes.scope === "row" ? "row" : "column"}header` : ROLES[tag] ?? null;
  return finished(document.createElement(tag), classes, { role, ...attributes }, children);
}

function svg(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  return finished(document.createElementNS(SVG, tag), classes, attributes, children);
}

function finished(node, classes, attributes, children) {
  if (classes.length) node.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== false));
  return node;
}

// Nothing is written that stands there already: it would cost a layout, and selections in it.
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function mark(node, name, value) {
  if (value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

// One child of `parent`, behind `after`, for each item, in their order; `make(item)` gives {node, set(item)}.
function keyed(parent, items, keyOf, make, after = null) {
  const known = (parent.headraceParts ??= new Map());
  const focused = document.activeElement;
  const wanted = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (wanted.has(key)) continue;
    const part = known.get(key) ?? make(item);
    part.set(item);
    wanted.set(key, part);
  }
  const losesFocus = dropRest(known, wanted, focused);
  let place = after === null ? parent.firstChild : after.nextSibling;
  for (const part of wanted.values()) {
    if (part.node === place) place = place.nextSibling;
    else parent.insertBefore(part.node, place);
  }
  parent.headraceParts = wanted;
  if (losesFocus) parent.closest("section")?.querySelector("h2")?.focus({ preventScroll: true });
  else if (focused?.isConnected && parent.contains(focused) && focused !== document.activeElement) {
    focused.focus({ preventScroll: true });
  }
}

function dropRest(known, wanted, focused) {
  let losesFocus = false;
  for (const [key, part] of known) {
    if (wanted.has(key)) continue;
    losesFocus ||= part.node.contains(focused);
    part.node.remove();
  }
  return losesFocus;
}

// A moment that tells its age; `tickTimes` renews all of them each second.
function time(at = null) {
  const node = h("time");
  setTime(node, at);
  return node;
}

// `form`: "age" of a moment, "wait" for how long since, or "moment".
function setTime(node, at, form = "age") {
  mark(node, "data-form", form === "age" ? null : form);
  mark(node, "data-at", at);
  if (at === null || at === undefined) {
    mark(node, "datetime", null);
    mark(node, "title", "not known");
    put(node, UNKNOWN);
    return;
  }
  mark(node, "datetime", new Date(at * 1000).toISOString());
  mark(node, "title", exactly(at));
  put(node, timeText(at, form));
}

function timeText(at, form = "age") {
  if (view.exact) return exactly(at);
  return form === "wait" ? duration(Math.floor(serverNow() - at)) : relative(at, serverNow());
}

function tickTimes() {
  for (const node of document.querySelectorAll("time[data-at]")) put(node, timeText(Number(node.dataset.at), node.dataset.form));
}

// A number that may be unknown: a dash, which is said as what it means.
function setNumber(node, value, digits = 0) {
  put(node, number(value, digits));
  mark(node, "title", value === null ? "not known" : null);
  mark(node, "aria-label", null);
}

// A foreign name: isolated, so that it can't turn what stands beside it; whole in its title.
function foreign(text, most = 90) {
  const node = h("bdi.foreign");
  setForeign(node, text, most);
  return node;
}

function setForeign(node, text, most = 90) {
  const whole = visible(text);
  const short = shortened(text, most);
  put(node, short);
  mark(node, "title", short === whole ? null : whole);
}

function button(text, onClick, attributes = {}) {
  return h("button.small-button", { type: "button", click: onClick, ...attributes }, text);
}

// A table with a caption for screen readers; columns are [heading, class], `order` is what sorts it.
function table(caption, columns, className, order) {
  const body = h("tbody");
  const node = h("table", { class: className || null },
    h("caption.unseen", {}, caption), h("thead", {}, h("tr", {}, order.headings(columns))), body);
  return { node, body };
}

// Wide tables scroll in a region of their own, which keys reach too.
function scroller(label, ...children) {
  return h("div.scroller", { role: "region", "aria-label": label, tabindex: "0" }, children);
}

function empty(...children) {
  return h("p.empty", {}, children);
}

let spokenAt = -Infinity;

// Said to screen readers, at most once in 10 s unless it matters now.
function speak(text, { isUrgent = false } = {}) {
  const now = performance.now();
  if (!isUrgent && now - spokenAt < 10000) return;
  spokenAt = now;
  put(byId("spoken"), text);
}
