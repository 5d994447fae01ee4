// Two small pictures over time: a line, and states stacked on each other. Words for them stand beside.

const SPARK = { width: 120, height: 28 };
const STRIP = { width: 600, height: 72 };

// Where a moment lies from left to right.
function placesOf(times, width) {
  const span = Math.max(1, times.at(-1) - times[0]);
  return times.map((at) => ((at - times[0]) / span) * width);
}

// Runs of points that are known, each as [x, y].
function runsOf(values, times, most) {
  const runs = [[]];
  const places = placesOf(times, SPARK.width);
  values.forEach((value, at) => {
    if (value === null) runs.push([]);
    else runs.at(-1).push([places[at], SPARK.height - (value / most) * SPARK.height]);
  });
  return runs.filter((run) => run.length > 1);
}

function pathOf(points) {
  return points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

function spark() {
  const area = svg("path.spark-area");
  const line = svg("path.spark-line");
  const node = svg("svg.spark", {
    viewBox: `0 -2 ${SPARK.width} ${SPARK.height + 3}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false",
  }, area, line);
  function set(values, times) {
    const most = Math.max(0, ...values.filter((value) => value !== null)) || 1;
    const runs = runsOf(values, times, most);
    mark(line, "d", runs.map(pathOf).join("") || null);
    mark(area, "d", runs.map((run) => `${pathOf(run)}L${run.at(-1)[0].toFixed(1)} ${SPARK.height}L${run[0][0].toFixed(1)} ${SPARK.height}Z`).join("") || null);
  }
  return { node, set };
}

// States of a pool's nodes over time, the busy ones lowest. `most`: what the whole height stands for.
function strip() {
  const layers = new Map(KNOWN_STATES.map((state) => [state, svg(`path.layer.state-${state}`)]));
  const picture = svg("svg.strip", {
    viewBox: `0 0 ${STRIP.width} ${STRIP.height}`, preserveAspectRatio: "none", role: "img", focusable: "false",
  }, [...layers.values()]);
  const from = h("span");
  const scale = h("span");
  const node = h("figure.strip-figure", {}, picture, h("figcaption.axis", {}, from, scale, h("span", {}, "now")));
  function set({ times, states, most, label }) {
    const places = placesOf(times, STRIP.width);
    let base = times.map(() => 0);
    for (const [state, layer] of layers) {
      const values = states[state];
      if (!values) {
        mark(layer, "d", null);
        continue;
      }
      const top = base.map((sum, at) => sum + (values[at] ?? 0));
      mark(layer, "d", bandOf(base, top, { places, most }));
      base = top;
    }
    mark(picture, "aria-label", label);
    put(from, times.length ? relative(times[0], serverNow()) : "nothing seen yet");
    put(scale, `height: ${counted(most, "node")}`);
  }
  return { node, set };
}

// Steps, as a state holds until the next look.
function bandOf(base, top, { places, most }) {
  if (!top.some((value, at) => value > base[at])) return null;
  const y = (value) => (STRIP.height - (value / most) * STRIP.height).toFixed(1);
  const upper = top.map((value, at) => `${at ? "V" : `M0 `}${y(value)}H${(places[at + 1] ?? STRIP.width).toFixed(1)}`).join("");
  const lower = base.map((value, at) => `V${y(value)}H${places[at].toFixed(1)}`).reverse().join("");
  return `${upper}${lower}Z`;
}

// The course in words: how many of each state there were at least and at most.
function courseWords(states, name, times) {
  const parts = Object.entries(states)
    .filter(([, values]) => values.some((value) => value > 0))
    .map(([state, values]) => `${state} ${number(Math.min(...values))} to ${number(Math.max(...values))}, now ${number(values.at(-1))}`);
  const span = times.length > 1 ? duration(times.at(-1) - times[0]) : "this moment";
  return `Nodes of pool ${visible(name)} over ${span}: ${parts.join("; ") || "all off"}`;
}
