// What the scaler decided, the newest first, each with its reason.

const FIRST_DECISIONS = 12;
const decisionsPanel = { list: null, more: null, isAll: false };

function changeText(each) {
  const before = visible(each.before);
  const after = visible(each.after);
  if (each.about === "nodes") return `${counted(each.count, "node")}: ${before} → ${after}`;
  if (each.about === "workers") return `${before} → ${after} ${after === "1" ? "worker" : "workers"}`;
  return after === "0" ? `nothing is held back any more, ${before} were` : `${after} files held back`;
}

function decisionItem() {
  const at = time();
  const name = foreign("", 40);
  const change = h("span.change");
  const text = h("span");
  const code = h("code");
  const nodes = h("p.quiet");
  const node = h("li.decision", {}, at, h("div", {}, h("div.name-line", {}, h("strong", {}, name), change), h("p.why", {}, text, " ", code), nodes));
  function set(each) {
    setTime(at, each.at);
    setForeign(name, each.about === "nodes" ? `pool ${each.name}` : each.name, 46);
    put(change, changeText(each));
    put(text, shortened(each.why.text, 240));
    put(code, visible(each.why.code));
    const rest = each.count - each.nodes.length;
    put(nodes, each.nodes.length ? `${shortened(each.nodes.join(", "), 120)}${each.about === "nodes" && rest > 0 ? ` and ${number(rest)} more` : ""}` : "");
    show(nodes, each.nodes.length > 0 && each.about === "nodes");
  }
  return { node, set };
}

function showDecisions({ decisions }) {
  const body = byId("decisions").querySelector(".panel-body");
  if (decisions.items.length === 0) {
    decisionsPanel.list = null;
    body.replaceChildren(empty("Nothing was decided since this service began: the scaler changes something when files come, or go."));
    return;
  }
  if (decisionsPanel.list === null) {
    decisionsPanel.list = h("ol.decisions");
    decisionsPanel.more = button("", () => {
      decisionsPanel.isAll = !decisionsPanel.isAll;
      showDecisions(feed.document);
    });
    body.replaceChildren(decisionsPanel.list, decisionsPanel.more);
  }
  const { items } = decisions;
  const shown = decisionsPanel.isAll ? items : items.slice(0, FIRST_DECISIONS);
  keyed(decisionsPanel.list, shown, (each) => JSON.stringify([each.at, each.about, each.name, each.after, each.nodes]), decisionItem);
  show(decisionsPanel.more, items.length > FIRST_DECISIONS);
  put(decisionsPanel.more, decisionsPanel.isAll ? "Show fewer" : `Show all ${number(items.length)}`);
}
