// The panel at the side: the model, or the layer that was chosen.
const panel = document.getElementById("panel");
let chosen = null;

function rows(pairs) {
  return make("table", { class: "facts" }, make("tbody", {}, ...pairs.map(([name, value]) =>
    make("tr", {}, make("th", { scope: "row" }, ...soft(name)), make("td", {}, value)))));
}
function part(title, ...content) {
  return make("section", {}, make("h3", {}, title), ...content);
}
function link(index) {
  const node = data.nodes[index];
  const button = make("button", { class: "link", type: "button" }, ...soft(node.n || node.t));
  button.addEventListener("click", () => { choose(index); center(node); });
  return button;
}
// The functions, stages, branches and loops that a node stands in, the outermost first.
function around(node) {
  const found = [];
  for (let index = node.o; index !== undefined; index = data.nodes[index].o) found.unshift(index);
  return found;
}
function placeText(node) {
  return around(node).map((index) => data.nodes[index].n).join(" › ");
}
// For lists of layers from everywhere: names come again in each function.
function linkWithPlace(index) {
  const place = placeText(data.nodes[index]);
  return make("span", {}, link(index), place ? make("span", { class: "small" }, ` in ${place}`) : "");
}
function qualityBar(share, rating, text) {
  const bar = make("i", { class: rating });
  bar.style.width = `${Math.round(100 * Math.max(0.02, Math.min(1, share)))}%`;
  return make("span", { class: "measure" }, make("span", { class: "track", "aria-hidden": "true" }, bar),
    text ? make("span", { class: rating }, text) : "");
}

function histogram(weight) {
  const width = 300, height = 78, figures = weight.g, bins = figures.h.length, step = width / bins;
  const most = Math.max(...figures.h, ...figures.b);
  const y = (count) => height - (height - 4) * (count / most);
  const bars = figures.h.map((count, i) => count
    ? `M${(i * step).toFixed(2)} ${height}V${Math.min(y(count), height - 1).toFixed(2)}H${((i + 1) * step - 0.7).toFixed(2)}V${height}Z` : "");
  const picture = draw("svg", { class: "histogram", viewBox: `0 0 ${width} ${height + 16}`, role: "img",
    "aria-label": `Histogram of ${weight.count} values from ${figures.lo} to ${figures.hi}${figures.b.length ? ", before and after" : ""}` },
    draw("path", { class: "bars", d: bars.join("") }));
  if (figures.b.length) {
    const line = figures.b.map((count, i) => `${i ? "L" : "M"}${(i * step).toFixed(2)} ${y(count).toFixed(2)}H${((i + 1) * step).toFixed(2)}`);
    picture.append(draw("path", { class: "before", d: line.join("") }));
  }
  const place = (value) => ((value - figures.lo) / (figures.hi - figures.lo || 1)) * width;
  if (figures.lv.length) {
    picture.append(draw("path", { class: "levels", d: figures.lv.map((v) => `M${place(v).toFixed(2)} ${height + 1}v4`).join("") }));
  }
  picture.append(draw("path", { class: "axis", d: `M0 ${height}H${width}` }),
    draw("text", { x: 0, y: height + 15 }, String(figures.lo)),
    draw("text", { x: width, y: height + 15, "text-anchor": "end" }, figures.hi > figures.lo ? String(figures.hi) : ""));
  if (figures.lo < 0 && figures.hi > 0) {
    const zero = place(0);
    picture.append(draw("path", { class: "zero", d: `M${zero} 0V${height}` }));
    if (zero > 60 && zero < width - 60) picture.append(draw("text", { x: zero, y: height + 15, "text-anchor": "middle" }, "0"));
  }
  return picture;
}

function weightPart(weight) {
  const items = [["shape", weight.shape], ["stored as", weight.st]];
  if (weight.bits) items.push(["bits a value", String(weight.bits)]);
  items.push(["values", weight.count], ["size", weight.shared ? `${weight.bytes}, counted at ${weight.shared}` : weight.bytes]);
  if (weight.db !== undefined) items.push(["SQNR", qualityBar(weight.share, weight.rating, weight.db)]);
  const box = make("div", { class: "weight" }, make("h4", {}, weight.n), rows(items));
  if (weight.g) {
    box.append(histogram(weight));
    if (weight.g.b.length) {
      box.append(make("p", { class: "legend" }, make("span", { class: "key before" }), "before ",
        make("span", { class: "key after" }), "after"));
    }
    const levels = weight.g.lv.length ? ` · ${weight.g.lv.length} different values` : "";
    const bad = weight.g.bad ? ` · ${weight.g.bad} not finite` : "";
    box.append(make("p", { class: "small" },
      `mean ${weight.g.mean} · deviation ${weight.g.dev} · ${weight.g.zeros} zeros${levels}${bad}`));
  }
  if (weight.remark) box.append(make("p", { class: "small" }, weight.remark));
  return box;
}

function valueTable(title, edges, end) {
  const head = make("tr", {}, ...["value", "shape", end === "a" ? "from" : "to"].map((text) => make("th", { scope: "col" }, text)));
  const body = edges.slice(0, 200).map((edge) => make("tr", {},
    make("td", {}, ...soft(edge.v)), make("td", { class: "shape" }, edge.s), make("td", {}, link(edge[end]))));
  return part(title, make("table", { class: "values" }, make("thead", {}, head), make("tbody", {}, ...body)));
}

function layerPanel(node) {
  const parts = [];
  const back = make("button", { type: "button", class: "close", "aria-label": "Close, back to the model" }, "✕");
  back.addEventListener("click", () => leave());
  parts.push(make("header", {}, back, make("h2", { id: "panel-title", tabindex: "-1" }, ...soft(node.n || "(without name)")),
    make("p", {}, make("span", { class: `chip f-${node.f}` }, node.v ? `${node.t} · ${node.v}` : node.t),
      ...around(node).map((index, place) => make("span", { class: "small" }, place ? " › " : " in ", link(index))))));
  if (node.c) {
    parts.push(part("Custom layer", rows([["class", node.c], ...(node.d ? [["description", node.d]] : [])]),
      make("p", { class: "small" }, "Its code does not come with the model.")));
  }
  if (node.k === "function") {
    const place = data.functions.findIndex(([index]) => index === chosen);
    parts.push(make("p", { class: "small" }, data.functions[place][1]));
    if (data.features[place]) parts.push(part(data.features[place][0], rows(data.features[place][1])));
  }
  if (node.p.length) parts.push(part("Parameters", rows(node.p)));
  if (node.in) parts.push(valueTable("Reads", node.in, "a"));
  if (node.out) parts.push(valueTable("Makes", node.out, "b"));
  const unread = node.m.filter(([name]) => !(node.out || []).some((edge) => edge.v === name));
  if (unread.length) parts.push(part(node.out ? "Also makes" : "Makes", rows(unread)));
  if (node.q.length) parts.push(part(node.q.length === 1 ? "Weight" : "Weights", ...node.q.map(weightPart)));
  return parts;
}

function modelPanel() {
  const parts = [make("header", {}, make("h2", { id: "panel-title", tabindex: "-1" }, ...soft(data.title)), make("p", { class: "small" }, data.subtitle))];
  for (const remark of data.remarks) parts.push(make("p", { class: "remark" }, remark));
  if (data.functions.length) {
    parts.push(part("Functions", make("table", { class: "values" }, make("tbody", {}, ...data.functions.map(([index, size]) =>
      make("tr", {}, make("td", {}, link(index)), make("td", {}, data.nodes[index].v || ""), make("td", { class: "small" }, size)))))));
  }
  for (const [title, features] of data.features) if (features.length) parts.push(part(title, rows(features)));
  if (data.weights.length) {
    parts.push(part("Weights", ...data.weights.map(([storage, detail, share]) =>
      make("div", { class: "storage" }, make("span", {}, storage), make("span", { class: "small" }, detail), qualityBar(share, "accent", ""))),
      data.shared ? make("p", { class: "small" }, "Weights that functions share are counted once.") : ""));
  }
  if (data.largest.length) {
    parts.push(part("Largest layers", make("table", { class: "values" }, make("tbody", {}, ...data.largest.map(([index, size, share]) =>
      make("tr", {}, make("td", {}, linkWithPlace(index)), make("td", {}, qualityBar(share, "accent", size))))))));
  }
  if (data.worst.length) {
    parts.push(part("Lowest SQNR", make("table", { class: "values" }, make("tbody", {}, ...data.worst.map(([index, weight]) => {
      const found = data.nodes[index].q[weight];
      return make("tr", {}, make("td", {}, linkWithPlace(index)), make("td", {}, found.n), make("td", {}, qualityBar(found.share, found.rating, found.db)));
    })))));
  }
  const custom = data.nodes.map((node, index) => [node, index]).filter(([node]) => node.c).slice(0, 50);
  if (custom.length) {
    parts.push(part("Custom layers", make("table", { class: "values" }, make("tbody", {}, ...custom.map(([node, index]) =>
      make("tr", {}, make("td", {}, link(index)), make("td", {}, node.c)))))));
  }
  parts.push(part("Kinds of layers", make("ul", { class: "families" }, ...data.families.map(([family, count]) =>
    make("li", {}, make("span", { class: `dot f-${family}` }), `${family} `, make("span", { class: "small" }, String(count)))))));
  if (data.facts.length) parts.push(part("About", rows(data.facts)));
  parts.push(part("Keys", rows([
    ["Tab, arrows", "go from layer to layer along the lines"], ["Enter", "show a layer"], ["Escape", "back"],
    ["/", "search"], ["+ − 0 f", "larger, smaller, actual size, all of it"],
  ])));
  return parts;
}

function showPanel() {
  panel.replaceChildren(...(chosen === null ? modelPanel() : layerPanel(data.nodes[chosen])));
  panel.scrollTop = 0;
}

function mark(index, on) {
  const node = data.nodes[index];
  node.element.classList.toggle("chosen", on);
  if (on) node.element.setAttribute("aria-pressed", "true");
  else node.element.removeAttribute("aria-pressed");
  for (const edge of [...(node.in || []), ...(node.out || [])]) edge.element.classList.toggle("near", on);
}

function choose(index) {
  if (chosen !== null) mark(chosen, false);
  chosen = index;
  if (index !== null) {
    mark(index, true);
    setCurrent(index);
  }
  writeAddress();
  showPanel();
}

function leave() {
  const last = chosen;
  choose(null);
  if (last !== null) data.nodes[last].element.focus({ preventScroll: true });
}
