// A layer's address, the part after #: the names around it and its own. A number tells equal ones apart.
const addresses = [], places = new Map(), counts = new Map();
data.nodes.forEach((node, index) => {
  const names = [...around(node).map((outer) => data.nodes[outer].n), node.n];
  const address = names.map((name) => encodeURIComponent(name).replaceAll("~", "%7E")).join("/");
  const count = (counts.get(address) || 0) + 1;
  counts.set(address, count);
  addresses.push(count > 1 ? `${address}~${count}` : address);
  places.set(addresses[index], index);
});
function writeAddress() {
  // The frame of a notebook has no address of its own.
  if (location.protocol === "about:") return;
  history.replaceState(null, "", chosen === null ? location.pathname + location.search : `#${addresses[chosen]}`);
}
function openAddress() {
  const index = places.get(location.hash.slice(1));
  if (index === undefined || index === chosen) return;
  choose(index);
  center(data.nodes[index]);
}
window.addEventListener("hashchange", openAddress);
