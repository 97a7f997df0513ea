// Elements of the page: made once, and touched only where something is different now, so that nothing flickers or moves.

const SVG = "http://www.w3.org/2000/svg";

// What would turn text around, or cannot be seen, is written out: names may come from strangers.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

export function clean(text) {
  return String(text).replace(UNSEEN, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick" || name === "onsubmit" || name === "onchange") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, clean(value));
  }
  for (const child of children) element.append(child instanceof Node ? child : clean(child));
  return element;
}

export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function find(id) {
  return document.getElementById(id);
}

export function put(element, text) {
  const cleaned = clean(text);
  if (element.textContent !== cleaned) element.textContent = cleaned;
}

export function mark(element, name, value) {
  const wanted = value === false || value === null || value === undefined ? null : clean(value === true ? "" : value);
  if (element.getAttribute(name) === wanted) return;
  if (wanted === null) element.removeAttribute(name);
  else element.setAttribute(name, wanted);
}

// Children of parent, one for each item, told apart by their keys; create makes one, update shows an item in it.
export function each(parent, items, key, create, update) {
  const known = (parent.keyed ??= new Map());
  const wanted = new Map(items.map((item) => [key(item), item]));
  for (const [name, child] of known) {
    if (!wanted.has(name)) {
      child.remove();
      known.delete(name);
    }
  }
  let place = parent.firstElementChild;
  for (const [name, item] of wanted) {
    let child = known.get(name);
    if (child === undefined) known.set(name, (child = create(item)));
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
}

// Rows that are shown before somebody wants to see all.
const FIRST = 8;

// A table: columns are {title, number, class, show(item, cell)}; where screens are narrow each row is a card of its own.
export class Table {
  constructor(caption, columns, key, empty) {
    this.items = [];
    this.all = false;
    this.more = make("button", { class: "all", hidden: true, onclick: () => this.toggle() });
    this.columns = columns;
    this.key = key;
    this.body = make("tbody");
    const titles = columns.map((column) => make("th", { scope: "col", class: column.number ? "number" : null }, column.title));
    this.empty = make("p", { class: "empty" }, empty ?? "Nothing.");
    this.table = make("table", {}, make("caption", { class: "unseen" }, caption), make("thead", {}, make("tr", {}, ...titles)), this.body);
    this.element = make("div", {}, make("div", { class: "scroll" }, this.table, this.empty), this.more);
  }

  toggle() {
    this.all = !this.all;
    this.update(this.items);
  }

  update(items) {
    this.items = items;
    mark(this.more, "hidden", items.length <= FIRST);
    put(this.more, this.all ? "Show fewer" : `Show all ${items.length}`);
    mark(this.table, "hidden", items.length === 0);
    mark(this.empty, "hidden", items.length > 0);
    each(this.body, this.all ? items : items.slice(0, FIRST), this.key, () => this.row(), (row, item) => this.show(row, item));
  }

  row() {
    const cells = this.columns.map((column, place) =>
      make(place === 0 ? "th" : "td", {
        scope: place === 0 ? "row" : null,
        class: [column.number ? "number" : "", column.class ?? ""].join(" ").trim() || null,
        "data-title": column.title,
      }),
    );
    return make("tr", {}, ...cells);
  }

  show(row, item) {
    this.columns.forEach((column, place) => {
      const told = column.show(item, row.children[place]);
      if (told !== undefined) put(row.children[place], told);
    });
  }
}
