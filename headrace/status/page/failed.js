// Files that were given up: why, the end of the log, and the way back.

const FIRST_FAILED = 10;
const failedPanel = { list: null, more: null, isAll: false };

function failedName(each) {
  return each.key === null ? `task ${each.task.slice(0, 12)}` : each.key;
}

function failedItem() {
  let item = null;
  const name = foreign("", 90);
  const reason = h("span.reason");
  const at = time();
  const owner = foreign("", 40);
  const attempts = h("span.quiet");
  const summary = h("summary", {}, h("span.failed-name", {}, name), reason);
  const inside = h("div.failed-inside");
  const details = h("details", { toggle: () => { if (details.open) openFailed(inside, item); } }, summary, inside);
  const press = actButton("Replay", () => replayAct(item));
  const node = h("li.failed-file", {}, details, h("div.failed-side", {}, owner, " ", at, attempts, press));
  function set(found) {
    item = found;
    setForeign(name, failedName(item), 90);
    setForeign(owner, item.function, 40);
    put(reason, item.reason === null ? "log in to see the reason" : shortened(item.reason, 200));
    setTime(at, item.at);
    put(attempts, counted(item.attempts, "attempt"));
    show(press, canAct());
    mark(press, "aria-label", `Replay ${shortened(failedName(item), 90)}`);
  }
  return { node, set };
}

function openFailed(inside, item) {
  const log = h("div.log", { role: "status" }, h("p.quiet", {}, "Asking for the log …"));
  inside.replaceChildren(h("dl.facts", {},
    ...fact("file", item.key === null ? null : visible(`s3://${item.bucket}/${item.key}`)), ...fact("task", item.task),
    ...fact("size", bytes(item.size)), ...fact("given up", exactly(item.at)), ...fact("run", item.run ? number(item.run) : null),
    ...fact("reason", item.reason === null ? null : visible(item.reason))), log);
  loadLog(log, item);
}

async function loadLog(node, item) {
  if (!session.may.includes("logs")) {
    const press = button("Log in to read the log", async () => {
      if (await askForToken(`Logs may hold what files hold, so they need a login. ${LOGIN_WORDS}`)) loadLog(node, item);
    });
    node.replaceChildren(canAct() ? press : h("p.quiet", {}, "The log is read on the command line: headrace explain tells it."));
    return;
  }
  try {
    const answer = await fetched(item.log.split("/").map(encodeURIComponent).join("/"));
    const found = await answer.json();
    if (!answer.ok) throw new Error(wordsOf(found, answer.status));
    showLog(node, found);
  } catch (error) {
    node.replaceChildren(h("p.fault", {}, `No log: ${visible(reasonOf(error))} `, button("Try again", () => loadLog(node, item))));
  }
}

function showLog(node, { text, cut, worker }) {
  const lines = text.split("\n").map(visible).join("\n");
  const told = `${cut ? "The end of the log" : "The log"}${worker ? `, of worker ${visible(worker)}` : ""}`;
  node.replaceChildren(h("p.quiet", {}, lines.trim() ? told : "It wrote no log."));
  if (lines.trim()) node.append(h("pre", { tabindex: "0", role: "region", "aria-label": told }, lines));
}

function replayAct(item) {
  return { name: "replay", body: { function: item.function, task: item.task }, title: "Replay this file?", verb: "Replay", doing: "Replaying …",
    words: [h("p", {}, foreign(failedName(item), 300)), h("p", {}, "It waits again, with all attempts anew. That it failed stays in its history.")] };
}

function failedEmpty({ totals }) {
  if (totals.failed === null) return empty("Which files failed is not known now.");
  return empty(totals.done ? "No file has failed." : "No file has failed. One that does is shown here with the end of its log.");
}

function showFailed(document_) {
  const { failed } = document_;
  const body = byId("failed").querySelector(".panel-body");
  if (failed.items.length === 0) {
    const hadFocus = body.contains(document.activeElement);
    failedPanel.list = null;
    body.replaceChildren(failedEmpty(document_));
    if (hadFocus) byId("failed-title").focus({ preventScroll: true });
    return;
  }
  if (failedPanel.list === null) {
    failedPanel.list = h("ul.failed-files");
    failedPanel.more = button("", () => {
      failedPanel.isAll = !failedPanel.isAll;
      showFailed(feed.document);
    });
    failedPanel.rest = h("p.quiet");
    body.replaceChildren(failedPanel.list, failedPanel.more, failedPanel.rest);
  }
  const shown = failedPanel.isAll ? failed.items : failed.items.slice(0, FIRST_FAILED);
  keyed(failedPanel.list, shown, (each) => `${each.function} ${each.task}`, failedItem);
  show(failedPanel.more, failed.items.length > FIRST_FAILED);
  put(failedPanel.more, failedPanel.isAll ? "Show fewer" : `Show ${number(failed.items.length)}`);
  const rest = (failed.total ?? 0) - failed.items.length;
  put(failedPanel.rest, rest > 0 ? `${counted(rest, "older one")} not shown: headrace results tells them, and replay of a function takes all.` : "");
}
