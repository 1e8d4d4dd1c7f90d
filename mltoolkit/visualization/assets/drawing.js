// The graph as SVG: made once from the data, then only moved and scaled.
const SVG = "http://www.w3.org/2000/svg";
const data = JSON.parse(document.getElementById("data").textContent);
const view = { x: 0, y: 0, scale: 1 };
const LOWEST = 0.003, HIGHEST = 3;
const stage = document.getElementById("stage");
const world = document.getElementById("world");

// Text is only ever set as text: nothing of a model's file is read as markup.
function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}
function draw(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}
// Long names break after marks and before capitals rather than anywhere.
function soft(text) {
  const parts = text.split(/(?<=[_/.:])(?=[^_/.:])|(?<=[a-z])(?=[A-Z])/), pieces = [parts[0]];
  for (const part of parts.slice(1)) pieces.push(document.createElement("wbr"), part);
  return pieces;
}
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== "" && child !== undefined));
  return element;
}

data.edges.forEach((edge) => {
  (data.nodes[edge.a].out ||= []).push(edge);
  (data.nodes[edge.b].in ||= []).push(edge);
});

function linePath(points) {
  // Between ranks curves that leave and arrive straight downwards; along a rank straight lines.
  let path = `M${points[0]} ${points[1]}`;
  for (let i = 2; i < points.length; i += 2) {
    const [x0, y0, x1, y1] = points.slice(i - 2, i + 2);
    const half = (y0 + y1) / 2;
    path += x0 === x1 ? `V${y1}` : `C${x0} ${half} ${x1} ${half} ${x1} ${y1}`;
  }
  return path;
}

function drawNode(node, index) {
  const box = draw("g", {
    id: `n${index}`, class: `node ${node.k} f-${node.f}${node.c ? " has-class" : ""}${node.inside ? " group" : ""}`,
    role: "button", tabindex: "-1", transform: `translate(${node.x} ${node.y})`,
    "data-name": node.n, "data-type": node.t, "aria-label": spoken(node),
  });
  if (node.n !== node.s) box.append(draw("title", {}, node.n));
  const round = node.k === "input" || node.k === "output" ? node.h / 2 : 7;
  box.append(draw("rect", { class: "box", width: node.w, height: node.h, rx: round }));
  if (node.k === "input" || node.k === "output") {
    box.append(draw("text", { class: "name", x: node.w / 2, y: node.h / 2 + 4, "text-anchor": "middle" }, node.s));
    return box;
  }
  box.append(
    draw("rect", { class: "stripe", x: 0, y: 8, width: 4, height: Math.min(node.h, 46) - 16, rx: 2 }),
    draw("text", { class: "name", x: 14, y: 20 }, node.s),
    draw("text", { class: "type", x: 14, y: 36 }, node.l),
  );
  if (node.db !== undefined) {
    const width = (node.w - 20) * Math.max(0.04, Math.min(1, node.share));
    box.append(draw("rect", { class: `quality ${node.rating}`, x: 14, y: 40.5, width: width, height: 2.5, rx: 1 }));
  }
  return box;
}

function spoken(node) {
  const kind = node.c ? `custom layer of class ${node.c}` : node.l;
  const made = node.m.map(([, shape]) => shape).filter(Boolean);
  return `${node.n || "without name"}, ${kind}${made.length ? `, makes ${made.join(", ")}` : ""}`;
}

function drawEdge(edge) {
  const line = draw("path", { d: linePath(edge.d), "marker-end": "url(#arrow)" });
  const label = edge.s ? draw("text", { x: edge.x, y: edge.y + 3.5, "text-anchor": "middle" }, edge.s) : "";
  return draw("g", { class: "edge", "data-from": edge.a, "data-to": edge.b, "data-value": edge.v, "data-shape": edge.s },
    line, label);
}

function drawAll() {
  const groups = draw("g"), lines = draw("g"), boxes = draw("g");
  data.nodes.forEach((node, index) => {
    node.element = drawNode(node, index);
    (node.inside ? groups : boxes).append(node.element);
    for (const frame of node.frames || []) {
      groups.append(draw("g", { class: "frame", transform: `translate(${frame.x} ${frame.y})` },
        draw("rect", { width: frame.w, height: frame.h, rx: 6 }),
        draw("text", { x: 12, y: 18 }, frame.t)));
    }
  });
  for (const edge of data.edges) lines.append((edge.element = drawEdge(edge)));
  world.append(groups, lines, boxes);
}

function show() {
  world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  stage.classList.toggle("far", view.scale < 0.5);
  stage.classList.toggle("farther", view.scale < 0.22);
  document.getElementById("percent").textContent = `${Math.round(100 * view.scale)} %`;
  showOnMap();
}

function zoom(factor, x, y) {
  const box = stage.getBoundingClientRect();
  const scale = Math.min(HIGHEST, Math.max(LOWEST, view.scale * factor));
  x ??= box.width / 2;
  y ??= box.height / 2;
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  show();
}

function fit(whole) {
  const box = stage.getBoundingClientRect(), margin = 28;
  const wide = (box.width - 2 * margin) / Math.max(1, data.width);
  const tall = (box.height - 2 * margin) / Math.max(1, data.height);
  // At first names can be read, and the graph begins at the top.
  const scale = whole ? Math.min(wide, tall, 1.2) : Math.min(1, Math.max(Math.min(wide, 1), 0.6));
  view.scale = Math.max(LOWEST, scale);
  view.x = (box.width - data.width * view.scale) / 2;
  view.y = data.height * view.scale < box.height - 2 * margin ? (box.height - data.height * view.scale) / 2 : margin;
  show();
}

function center(node) {
  const box = stage.getBoundingClientRect();
  if (view.scale < 0.55) view.scale = 0.85;
  const tall = Math.min(node.h, 60);
  view.x = box.width / 2 - (node.x + node.w / 2) * view.scale;
  view.y = box.height / 2 - (node.y + tall / 2) * view.scale;
  show();
}

function reveal(node) {
  const box = stage.getBoundingClientRect(), margin = 40;
  const left = node.x * view.scale + view.x, top = node.y * view.scale + view.y;
  const inside = left > margin && left + node.w * view.scale < box.width - margin
    && top > margin && top + Math.min(node.h, 60) * view.scale < box.height - margin;
  if (!inside || view.scale < 0.3) center(node);
}

// A small map of the whole graph, in which the view can be moved.
const map = document.getElementById("map"), mapView = document.getElementById("map-view");
let mapScale = 1;
function drawMap() {
  const most = stage.clientHeight - 24;
  mapScale = most / data.height;
  map.hidden = data.height < 3 * stage.clientHeight || most < 60;
  if (map.hidden) return;
  const canvas = map.querySelector("canvas"), ratio = window.devicePixelRatio || 1;
  // Its width is its own: true to scale it would be a line.
  const width = 52, height = most, across = width / data.width;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  pen.scale(ratio, ratio);
  for (const node of data.nodes) {
    pen.fillStyle = style.getPropertyValue(node.inside ? "--raised" : `--${node.f}`);
    pen.fillRect(node.x * across, node.y * mapScale, Math.max(2, node.w * across), Math.max(1, node.h * mapScale - 0.5));
  }
}
function showOnMap() {
  if (map.hidden) return;
  const top = (-view.y / view.scale) * mapScale, tall = (stage.clientHeight / view.scale) * mapScale;
  map.classList.toggle("idle", top <= 0 && top + tall >= data.height * mapScale);
  const bottom = Math.min(data.height * mapScale, top + tall);
  mapView.style.top = `${Math.max(0, top)}px`;
  mapView.style.height = `${Math.max(6, bottom - Math.max(0, top))}px`;
}
function moveByMap(event) {
  if (!event.buttons) return;
  const y = (event.clientY - map.getBoundingClientRect().top) / mapScale;
  view.y = stage.clientHeight / 2 - y * view.scale;
  show();
}
map.addEventListener("pointerdown", (event) => { map.setPointerCapture(event.pointerId); moveByMap(event); event.stopPropagation(); });
map.addEventListener("pointermove", moveByMap);
