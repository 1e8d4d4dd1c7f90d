// The whole graph as an SVG file, with its colours written out: other programs know no CSS variables.
const WRITTEN = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "paint-order",
  "font-size", "font-weight", "font-family"];
const MARGIN = 24;

function svgText() {
  const drawn = stage.querySelector("svg"), copy = drawn.cloneNode(true);
  const far = ["far", "farther"].filter((name) => stage.classList.contains(name));
  // Seen from afar labels are hidden, not in the file.
  stage.classList.remove(...far);
  const originals = drawn.querySelectorAll("*"), copies = copy.querySelectorAll("*");
  const line = getComputedStyle(document.documentElement).getPropertyValue("--edge");
  originals.forEach((element, index) => writeStyle(element, copies[index], line));
  stage.classList.add(...far);
  for (const name of [...copy.getAttributeNames()]) copy.removeAttribute(name);
  const width = data.width + 2 * MARGIN, height = data.height + 2 * MARGIN;
  const box = { x: -MARGIN, y: -MARGIN, width: width, height: height };
  fill(copy, { viewBox: `${-MARGIN} ${-MARGIN} ${width} ${height}`, width: width, height: height }, []);
  copy.querySelector("#world").removeAttribute("transform");
  copy.prepend(draw("title", {}, data.title), draw("rect", { ...box, fill: getComputedStyle(document.body).backgroundColor }));
  return new XMLSerializer().serializeToString(copy);
}
function writeStyle(element, copy, line) {
  for (const name of copy.getAttributeNames()) {
    if (/^(class|role|tabindex|aria-.*|data-.*)$/.test(name)) copy.removeAttribute(name);
  }
  if (!/^(rect|path|text)$/.test(element.localName)) return;
  const style = getComputedStyle(element), text = element.localName === "text";
  for (const name of WRITTEN) {
    const value = style.getPropertyValue(name);
    const usual = value === "none" ? name !== "fill" : /^(normal|auto|miter|1|1px)$/.test(value);
    if (usual || (name.startsWith("font") && !text)) continue;
    copy.setAttribute(name, value === "context-stroke" ? line : value);
  }
}
function saveSvg() {
  const address = URL.createObjectURL(new Blob([svgText()], { type: "image/svg+xml" }));
  make("a", { href: address, download: `${data.title.replace(/[^\p{L}\p{N}._-]+/gu, "_")}.svg` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
const saveButton = document.getElementById("save");
// A notebook's frame is allowed no downloads.
saveButton.hidden = location.protocol === "about:";
saveButton.addEventListener("click", saveSvg);
