// How old what is shown is, and what of it is older than it should be; said in the head, and by a banner where it matters.

const STALE_SECONDS = 15;
const UNHEARD_SECONDS = 12; // the service tells something every 5 s
let wasStale = false;

function freshness() {
  const age = dataAge();
  if (age === null) return { state: feed.trouble ? "lost" : "connecting", age };
  const isGone = feed.lostAt !== null && here() - feed.lostAt > 2;
  if (isGone || secondsUnheard() > UNHEARD_SECONDS) return { state: "lost", age };
  if (age > STALE_SECONDS) return { state: "stale", age };
  return { state: feed.lostAt === null ? "live" : "late", age };
}

function ageText(age) {
  return age < 1 ? "under 1 s old" : `${duration(Math.floor(age))} old`;
}

const PILL = {
  connecting: () => "connecting",
  live: (age) => `${feed.isPolling ? "asked every 5 s" : "live"} · ${ageText(age)}`,
  late: (age) => `reconnecting · ${ageText(age)}`,
  stale: (age) => `stale · ${ageText(age)}`,
  lost: (age) => (age === null ? "no connection" : `no connection · ${ageText(age)}`),
};

function titleOf(document_) {
  if (document_ === null) return "Headrace";
  const { waiting, failed } = document_.totals;
  return `${number(waiting)} waiting${failed ? `, ${number(failed)} failed` : ""} · ${visible(document_.stack.name)} · Headrace`;
}

function bannerText({ state, age }) {
  if (state === "lost" && age === null) return `Nothing to show yet: ${feed.trouble}. It is tried again every few seconds.`;
  if (state === "lost") {
    const trouble = feed.trouble || `nothing was heard from it for ${duration(secondsUnheard())}`;
    return `The connection to the service is gone: ${trouble}. This is how it stood ${duration(age)} ago, ` +
      `${exactly(feed.document.at)}; it is tried again by itself.`;
  }
  return `The service answers, but its data is ${duration(age)} old: it has not looked since ${exactly(feed.document.at)}.`;
}

function showFreshness() {
  const now = freshness();
  const isStale = now.state === "lost" || now.state === "stale";
  mark(byId("freshness"), "data-state", now.state);
  put(byId("freshness-text"), PILL[now.state](now.age));
  mark(document.body, "data-stale", isStale ? "" : null);
  const banner = byId("banner");
  show(banner, isStale);
  if (isStale) put(banner, bannerText(now));
  const title = titleOf(feed.document);
  document.title = isStale ? `Not live: ${title}` : title;
  if (isStale !== wasStale) {
    speak(isStale ? bannerText(now) : "The data is live again.", { isUrgent: true });
    wasStale = isStale;
  }
}

// Parts of the document that their source has not renewed in its time; null: it has never answered.
function staleSources(document_) {
  const now = serverNow();
  return document_.sources.filter((each) => each.error || each.at === null || now - each.at > each.freshSeconds);
}

const PARTS = { // what a panel shows: sections of the document
  functions: ["functions"], failed: ["failed"], nodes: ["nodes", "pools"], gpus: ["gpus"],
  decisions: ["decisions"], cost: ["cost"], workers: ["workers"], tenants: ["tenants"],
};

function showOldParts(document_) {
  const old = staleSources(document_);
  for (const section of document.querySelectorAll("[data-part]")) {
    const found = old.find((source) => source.feeds.some((part) => PARTS[section.dataset.part].includes(part.split(".")[0])));
    const chip = section.querySelector(".as-of") ?? section.querySelector(".panel-head").appendChild(h("span.as-of"));
    show(chip, Boolean(found));
    if (!found) continue;
    put(chip, found.at === null ? `${found.name}: no answer yet` : `${found.name}: ${relative(found.at, serverNow())}`);
    mark(chip, "title", found.error ? visible(found.error) : null);
  }
}

const SOURCE_WORDS = {
  functions: "definitions of functions", queue: "the queue", records: "records of files", plan: "the scaler's plan",
  workers: "what workers tell", pools: "node pools", gpus: "GPUs",
};

function sourceRow() {
  const name = h("th", { scope: "row" });
  const age = time();
  const state = h("span.chip");
  const error = h("span.quiet.wrap");
  const node = h("tr", {}, name, h("td", {}, state), h("td", {}, age), h("td", {}, error));
  function set(source) {
    const isOld = source.at === null || serverNow() - source.at > source.freshSeconds;
    put(name, SOURCE_WORDS[source.name] ?? visible(source.name));
    put(state, source.error ? "fails" : isOld ? "late" : "fresh");
    mark(state, "data-kind", source.error ? "bad" : isOld ? "warn" : "good");
    setTime(age, source.at);
    put(error, source.error ? visible(source.error) : "");
  }
  return { node, set };
}

const SOURCE_COLUMNS = [["Source"], [""], ["Last answer"], ["Trouble"]];
const sourceOrder = sorting(
  [(each) => SOURCE_WORDS[each.name] ?? each.name, null, (each) => each.at, (each) => each.error],
  () => showSources(feed.document),
);
let sourceTable = null;

function showSources(document_) {
  if (sourceTable === null) {
    sourceTable = table("Sources of the figures, and how old they are", SOURCE_COLUMNS, "stack", sourceOrder);
    byId("sources").querySelector(".panel-body").append(sourceTable.node);
  }
  keyed(sourceTable.body, sourceOrder.arranged(document_.sources), (each) => each.name, sourceRow);
  put(byId("foot"), `Headrace ${visible(document_.stack.headrace)} on ${visible(document_.stack.runtime)} · ` +
    `this page asks no other host`);
}
