// Mouse, touch, keyboard and search.
const start = data.nodes.find((node) => node.k === "function" && node.v);
let current = Math.max(0, start ? start.inside[0] : data.nodes.findIndex((node) => node.k === "input"));

function setCurrent(index) {
  data.nodes[current].element.setAttribute("tabindex", "-1");
  current = index;
  data.nodes[index].element.setAttribute("tabindex", "0");
}
function go(index) {
  if (index === undefined || index < 0) return;
  setCurrent(index);
  reveal(data.nodes[index]);
  data.nodes[index].element.focus({ preventScroll: true });
}
function indexOf(target) {
  const box = target.closest && target.closest(".node");
  return box ? Number(box.id.slice(1)) : -1;
}

const middle = (node) => node.x + node.w / 2;
function below(node, index) {
  if (node.inside) return node.inside[0];
  if (node.out) return nearest(node, node.out.map((edge) => edge.b));
  return node.o ?? index;
}
function nearest(node, ends) {
  // The next one down or up, so that shortcuts leave out nothing; of several the straightest.
  const distance = (end) => Math.abs(data.nodes[end].y - node.y) * 1e4 + Math.abs(middle(data.nodes[end]) - middle(node));
  return ends.reduce((best, end) => (distance(end) < distance(best) ? end : best));
}
function beside(index, side) {
  // The next node at about the same height, inside the same group.
  const node = data.nodes[index];
  let best = -1;
  data.nodes.forEach((other, place) => {
    const overlaps = other.y < node.y + node.h && node.y < other.y + other.h;
    const ahead = side * (middle(other) - middle(node));
    if (place !== index && other.o === node.o && overlaps && ahead > 0
      && (best < 0 || ahead < side * (middle(data.nodes[best]) - middle(node)))) best = place;
  });
  return best;
}

const steps = {
  ArrowDown: (node, index) => below(node, index),
  ArrowUp: (node) => (node.in ? nearest(node, node.in.map((edge) => edge.a)) : node.o ?? -1),
  ArrowLeft: (node, index) => beside(index, -1),
  ArrowRight: (node, index) => beside(index, 1),
  Home: () => 0,
  End: () => data.nodes.length - 1,
};
stage.addEventListener("keydown", (event) => {
  const index = indexOf(event.target);
  if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in steps) {
    event.preventDefault();
    go(steps[event.key](data.nodes[index], index));
  } else if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    choose(index);
    document.getElementById("panel-title").focus();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    if (document.activeElement === field) {
      field.value = "";
      search();
      field.blur();
    }
    else if (chosen !== null) leave();
    return;
  }
  if (event.target === field || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = { "/": () => field.focus(), "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8),
    0: () => zoom(1 / view.scale), f: () => fit(true) }[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});

// Pointers: one moves the view, two zoom it; a press without a move chooses.
const pointers = new Map();
let moved = 0;
stage.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  moved = 0;
});
window.addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId);
  if (!last) return;
  const dx = event.clientX - last[0], dy = event.clientY - last[1];
  const before = spread();
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  moved += Math.abs(dx) + Math.abs(dy);
  if (moved > 4) stage.classList.add("moving");
  view.x += dx / pointers.size;
  view.y += dy / pointers.size;
  if (before) {
    const box = stage.getBoundingClientRect();
    const [[x0, y0], [x1, y1]] = [...pointers.values()];
    zoom(spread() / before, (x0 + x1) / 2 - box.left, (y0 + y1) / 2 - box.top);
  } else show();
});
function spread() {
  if (pointers.size !== 2) return 0;
  const [[x0, y0], [x1, y1]] = [...pointers.values()];
  return Math.max(1, Math.hypot(x1 - x0, y1 - y0));
}
for (const name of ["pointerup", "pointercancel"]) {
  window.addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    stage.classList.remove("moving");
  });
}
stage.addEventListener("click", (event) => {
  if (moved > 4) return;
  const index = indexOf(event.target);
  if (index >= 0) choose(index);
  else if (!event.target.closest("#map") && chosen !== null) choose(null);
});
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const unit = event.deltaMode ? 24 : 1;
  if (event.ctrlKey || event.metaKey) {
    const box = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * unit * 0.004), event.clientX - box.left, event.clientY - box.top);
    return;
  }
  view.x -= (event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX) * unit;
  view.y -= (event.shiftKey && !event.deltaX ? 0 : event.deltaY) * unit;
  show();
}, { passive: false });

// Search: by name, type, and class of a custom layer.
const field = document.getElementById("search"), list = document.getElementById("found"), count = document.getElementById("count");
const SHOWN = 60;
let found = [], option = -1;
const haystack = data.nodes.map((node) => `${node.n}\n${node.t}\n${node.v || ""}\n${node.c || ""}`.toLowerCase());
function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  found = words.length ? haystack.flatMap((text, index) => (words.every((word) => text.includes(word)) ? [index] : [])) : [];
  const hits = new Set(found);
  data.nodes.forEach((node, index) => node.element.classList.toggle("hit", hits.has(index)));
  stage.classList.toggle("searching", words.length > 0);
  count.textContent = words.length ? `${found.length} of ${data.nodes.length}` : "";
  list.replaceChildren(...found.slice(0, SHOWN).map((index, place) => {
    const node = data.nodes[index];
    const item = make("li", { role: "option", id: `found${place}` }, make("span", {}, ...soft(node.n || "(without name)")), make("span", { class: "small" }, [node.l, placeText(node)].filter(Boolean).join(" in ")));
    item.addEventListener("pointerdown", (event) => { event.preventDefault(); pick(place); });
    return item;
  }));
  list.hidden = !found.length;
  field.setAttribute("aria-expanded", String(found.length > 0));
  setOption(-1);
}
function setOption(place) {
  if (list.children[option]) list.children[option].removeAttribute("aria-selected");
  option = place;
  const item = list.children[place];
  if (!item) return field.removeAttribute("aria-activedescendant");
  item.setAttribute("aria-selected", "true");
  field.setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
}
function pick(place) {
  const index = found[place];
  if (index === undefined) return;
  setOption(place);
  choose(index);
  center(data.nodes[index]);
}
field.addEventListener("input", search);
field.addEventListener("focus", () => { list.hidden = !found.length; });
field.addEventListener("blur", () => { list.hidden = true; field.setAttribute("aria-expanded", "false"); });
field.addEventListener("keydown", (event) => {
  const last = Math.min(found.length, SHOWN) - 1;
  if (event.key === "ArrowDown") setOption(option < last ? option + 1 : 0);
  else if (event.key === "ArrowUp") setOption(option > 0 ? option - 1 : last);
  else if (event.key === "Enter") pick(option >= 0 && found[option] === chosen ? (option + 1) % (last + 1) : Math.max(0, option));
  else return;
  event.preventDefault();
});

const themes = ["auto", "light", "dark"];
const themeButton = document.getElementById("theme");
themeButton.addEventListener("click", () => {
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % 3];
  document.documentElement.dataset.theme = next;
  themeButton.textContent = { auto: "◐ auto", light: "☀ light", dark: "☾ dark" }[next];
  drawMap();
  showOnMap();
});
document.getElementById("in").addEventListener("click", () => zoom(1.25));
document.getElementById("out").addEventListener("click", () => zoom(0.8));
document.getElementById("all").addEventListener("click", () => fit(true));
document.getElementById("percent").addEventListener("click", () => zoom(1 / view.scale));

drawAll();
if (data.nodes.length) setCurrent(current);
showPanel();
drawMap();
// A notebook lays its frame out several times: until the reader does something the view follows.
let untouched = true;
for (const name of ["pointerdown", "wheel", "keydown"]) {
  document.addEventListener(name, () => { untouched = false; }, { capture: true, passive: true });
}
function begin() {
  // All of it where names can be read then.
  fit(data.height <= stage.clientHeight * 1.3 && data.width <= stage.clientWidth * 1.7);
  const room = stage.clientWidth - data.width * view.scale;
  if (room >= 0 || !data.nodes.length) return;
  // Of a graph that is too wide the place where it begins.
  view.x = Math.min(28, Math.max(room - 28, stage.clientWidth / 2 - middle(data.nodes[current]) * view.scale));
  show();
}
begin();
openAddress();
new ResizeObserver(() => {
  drawMap();
  if (untouched && chosen === null) begin();
  else showOnMap();
}).observe(stage);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawMap());
document.body.dataset.ready = "yes";
