// GPUs, those of nodes and those of servers: how each is shared, by whom, and what is free.

const ACCESS_WORDS = {
  passthrough: "whole", mig: "MIG parts", mps: "shared by MPS", timeslice: "shared by time", remote: "remote",
};

const hues = new Map(); // by function, in the order of their coming; six, then again

function hueOf(name) {
  if (!hues.has(name)) hues.set(name, hues.size % 6);
  return hues.get(name);
}

function userName(user) {
  return user.function ?? user.pod;
}

// Who has how much: users of one function are one part.
function sharesOf(gpu) {
  const shares = new Map();
  for (const user of gpu.users) {
    const share = shares.get(userName(user)) ?? { name: userName(user), amount: 0, pods: 0 };
    share.amount += user.amount;
    share.pods += 1;
    shares.set(share.name, share);
  }
  return [...shares.values()].sort((one, other) => other.amount - one.amount);
}

function wholeOf(gpu) {
  return gpu.isRemote ? gpu.memoryBytes : gpu.units;
}

function amountText(gpu, amount) {
  return gpu.isRemote ? bytes(amount) : counted(amount, "part");
}

function gpuFacts(gpu) {
  const parts = [ACCESS_WORDS[gpu.access] ?? visible(gpu.access)];
  if (gpu.isRemote) {
    parts.push(`${bytes(gpu.freeBytes)} of ${bytes(gpu.memoryBytes)} free`, `${number(gpu.units - gpu.freeUnits)} of ${counted(gpu.units, "session")}`);
    if (gpu.backend) parts.push(visible(gpu.backend));
    if (gpu.isolation) parts.push(`isolation ${visible(gpu.isolation)}`);
  } else {
    parts.push(`${number(gpu.freeUnits)} of ${counted(gpu.units, "part")} free`);
    if (gpu.nodes !== null) parts.push(`on ${counted(gpu.nodes, "node")}`);
    if (gpu.memoryBytes !== null) parts.push(`${bytes(gpu.memoryBytes)} a part`);
  }
  return parts.join("\u00a0· ");
}

function userItem() {
  const swatch = h("span.swatch", { "aria-hidden": "true" });
  const name = foreign("", 40);
  const amount = h("span.quiet");
  const node = h("li", {}, swatch, name, " ", amount);
  function set({ gpu, share }) {
    mark(swatch, "class", `swatch hue-${hueOf(share.name)}`);
    setForeign(name, share.name, 40);
    put(amount, `${amountText(gpu, share.amount)}${share.pods > 1 ? `, ${counted(share.pods, "worker")}` : ""}`);
  }
  return { node, set };
}

function setBar(bar, gpu, shares) {
  const whole = Math.max(1, wholeOf(gpu));
  let x = 0;
  bar.replaceChildren(...shares.map((share) => {
    const width = Math.min(100 - x, (share.amount / whole) * 100);
    const rect = svg(`rect.hue-${hueOf(share.name)}`, { x: x.toFixed(2), y: 0, width: Math.max(0, width - 0.4).toFixed(2), height: 8 });
    x += width;
    return rect;
  }));
}

function gpuItem() {
  const model = h("span");
  const place = foreign("", 40);
  const chip = h("span.chip", { "data-kind": "bad" }, "trouble");
  const facts = h("p.quiet");
  const trouble = h("p.fault");
  const bar = svg("svg.share-bar", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  const users = h("ul.users");
  const node = h("li.gpu", {}, h("div.name-line", {}, h("h4", {}, model, " "), h("span.quiet", {}, place), chip), bar, facts, trouble, users);
  function set(gpu) {
    const shares = sharesOf(gpu);
    put(model, visible(gpu.model || gpu.resource || "GPU"));
    setForeign(place, gpu.isRemote ? `server ${gpu.place}, GPU ${gpu.number}` : `pool ${gpu.place}`, 50);
    mark(place, "title", gpu.address ?? gpu.resource);
    show(chip, Boolean(gpu.trouble));
    show(trouble, Boolean(gpu.trouble));
    put(trouble, shortened(gpu.trouble ?? "", 200));
    put(facts, gpuFacts(gpu));
    setBar(bar, gpu, shares);
    keyed(users, shares.map((share) => ({ gpu, share })), (each) => each.share.name, userItem);
    mark(users, "aria-label", `Who shares it: ${gpu.usersTotal ? counted(gpu.usersTotal, "worker") : "nobody"}`);
    show(users, shares.length > 0);
  }
  return { node, set };
}

let gpuLists = null;

function buildGpus(body) {
  const lists = { local: h("ul.gpus"), remote: h("ul.gpus") };
  const heads = { local: h("h3", {}, "On nodes"), remote: h("h3", {}, "Remote") };
  body.replaceChildren(heads.local, lists.local, heads.remote, lists.remote);
  return { lists, heads };
}

function showGpus({ gpus, stack }) {
  const body = byId("gpus").querySelector(".panel-body");
  if (gpus.items === null || gpus.items.length === 0) {
    gpuLists = null;
    const onHost = "This stack runs on one machine without a cluster: GPUs are not counted here.";
    const none = "No GPU yet: a node pool with a GPU resource, or a GpuServer for remote ones, makes some.";
    body.replaceChildren(empty(gpus.items !== null ? none : stack.runtime === "host" ? onHost : "The cluster has not told its GPUs yet."));
    return;
  }
  gpuLists ??= buildGpus(body);
  for (const [kind, isRemote] of [["local", false], ["remote", true]]) {
    const own = gpus.items.filter((each) => each.isRemote === isRemote);
    show(gpuLists.heads[kind], own.length > 0);
    keyed(gpuLists.lists[kind], own, (each) => JSON.stringify([each.place, each.number, each.resource]), gpuItem);
  }
}
