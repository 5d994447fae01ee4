// A pool's nodes as a dense field of small squares. Shapes tell the states apart, not colours alone. Keys choose a node, too.

const GAP = 2;
const colours = new Map(); // by state; read anew when the theme changes

function colourOf(state) {
  if (!colours.has(state)) {
    const probe = h(`span.state-${state}`, { hidden: true });
    document.body.append(probe);
    colours.set(state, getComputedStyle(probe).color);
    probe.remove();
  }
  return colours.get(state);
}

function sizeFor(total) {
  return total > 400 ? 9 : total > 120 ? 12 : total > 40 ? 15 : 20;
}

function nodeGrid(onChoose) {
  const canvas = h("canvas.node-grid", { tabindex: "0", role: "group", "aria-roledescription": "field of nodes" });
  const grid = { canvas, nodes: [], chosen: null, columns: 1, cell: 12, drawn: "" };
  const choose = (at) => {
    if (at < 0 || at >= grid.nodes.length) return;
    grid.chosen = grid.nodes[at].name;
    drawGrid(grid);
    onChoose(grid.nodes[at]);
  };
  canvas.addEventListener("click", (event) => choose(nodeAt(grid, event)));
  canvas.addEventListener("mousemove", (event) => {
    const node = grid.nodes[nodeAt(grid, event)];
    mark(canvas, "title", node ? `${visible(node.name)}: ${node.state}` : null);
  });
  canvas.addEventListener("keydown", (event) => steer(grid, event, choose));
  new ResizeObserver(() => drawGrid(grid)).observe(canvas.parentElement ?? canvas);
  function set(nodes, label) {
    grid.nodes = nodes;
    mark(canvas, "aria-label", label);
    drawGrid(grid);
  }
  return { node: canvas, set, redraw: () => { grid.drawn = ""; drawGrid(grid); }, leave: () => { grid.chosen = null; drawGrid(grid); } };
}

function nodeAt(grid, event) {
  const column = Math.floor(event.offsetX / grid.cell);
  return column >= grid.columns ? -1 : Math.floor(event.offsetY / grid.cell) * grid.columns + column;
}

function steer(grid, event, choose) {
  const now = grid.nodes.findIndex((each) => each.name === grid.chosen);
  const last = grid.nodes.length - 1;
  const to = {
    ArrowRight: Math.min(now + 1, last), ArrowLeft: Math.max(now - 1, 0), ArrowDown: Math.min(now < 0 ? 0 : now + grid.columns, last),
    ArrowUp: Math.max(now - grid.columns, 0), Home: 0, End: last, Enter: Math.max(now, 0), " ": Math.max(now, 0),
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose(to);
}

function drawGrid(grid) {
  const { canvas, nodes } = grid;
  const width = canvas.clientWidth;
  if (!width) return;
  grid.cell = sizeFor(nodes.length) + GAP;
  grid.columns = Math.max(1, Math.floor((width + GAP) / grid.cell));
  const height = Math.max(1, Math.ceil(nodes.length / grid.columns)) * grid.cell;
  const ratio = window.devicePixelRatio || 1;
  const wanted = `${width} ${ratio} ${grid.chosen} ${nodes.map((each) => each.state + (each.enabled ? "" : "!")).join()}`;
  if (grid.drawn === wanted) return;
  grid.drawn = wanted;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  nodes.forEach((node, at) => {
    const x = (at % grid.columns) * grid.cell;
    const y = Math.floor(at / grid.columns) * grid.cell;
    drawNode(pen, node, x, y, grid.cell - GAP, node.name === grid.chosen);
  });
}

const SHAPES = {
  busy: (pen, x, y, size) => pen.fillRect(x, y, size, size),
  idle: (pen, x, y, size) => { pen.strokeRect(x + 0.75, y + 0.75, size - 1.5, size - 1.5); pen.fillRect(x, y + size * 0.6, size, size * 0.4); },
  booting: (pen, x, y, size) => fillShape(pen, [[x, y + size], [x + size, y + size], [x + size, y]]),
  draining: (pen, x, y, size) => fillShape(pen, [[x, y], [x + size, y], [x + size / 2, y + size]]),
  stopping: (pen, x, y, size) => pen.fillRect(x + size * 0.3, y + size * 0.3, size * 0.4, size * 0.4),
  failed: (pen, x, y, size) => drawCross(pen, x + 1, y + 1, size - 2),
  unknown: (pen, x, y, size) => { pen.strokeRect(x + 0.75, y + 0.75, size - 1.5, size - 1.5); pen.fillRect(x + size * 0.4, y + size * 0.4, size * 0.2, size * 0.2); },
  off: (pen, x, y, size) => pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1),
};

function fillShape(pen, points) {
  pen.beginPath();
  points.forEach(([x, y]) => pen.lineTo(x, y));
  pen.closePath();
  pen.fill();
}

function drawCross(pen, x, y, size) {
  pen.lineWidth = Math.max(2, size / 5);
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x + size, y + size);
  pen.moveTo(x + size, y);
  pen.lineTo(x, y + size);
  pen.stroke();
}

function drawNode(pen, node, x, y, size, isChosen) {
  const colour = colourOf(node.state);
  pen.fillStyle = colour;
  pen.strokeStyle = colour;
  pen.lineWidth = node.state === "off" ? 1 : 1.5;
  SHAPES[node.state](pen, x, y, size);
  if (!node.enabled) {
    pen.strokeStyle = colourOf("disabled");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(x, y + size / 2);
    pen.lineTo(x + size, y + size / 2);
    pen.stroke();
  }
  if (isChosen) {
    pen.strokeStyle = colourOf("chosen");
    pen.lineWidth = 2;
    pen.strokeRect(x - 1, y - 1, size + 2, size + 2);
  }
}

// One square of the legend, drawn as in the field.
function legendSquare(state) {
  const canvas = h("canvas.legend-square", { width: 26, height: 26, "aria-hidden": "true" });
  const pen = canvas.getContext("2d");
  pen.scale(2, 2);
  drawNode(pen, { state, enabled: true }, 0.5, 0.5, 12, false);
  return canvas;
}
