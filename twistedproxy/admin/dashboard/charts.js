// Charts over time, drawn as SVG: lines, or areas on top of each other.

import { clean, draw, make, mark, put } from "./elements.js";
import { clock, span } from "./numbers.js";

const HEIGHT = 132;
const LEFT = 46;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;

let numbered = 0;

// series: {name, color: 1 to 6, of(columns, row), dash, hatched}; options: {stacked, logarithmic, tell(value), least}
export class Chart {
  constructor(title, unit, series, options = {}) {
    this.title = title;
    this.series = series;
    this.options = { tell: String, least: 1, ...options };
    this.number = ++numbered;
    this.at = null;
    this.legend = series.map((each) => {
      const key = draw("svg", { viewBox: "0 0 22 10", width: 20, height: 9, "aria-hidden": "true", class: `ink${each.color}` });
      if (options.stacked) key.append(draw("rect", { width: 22, height: 10, rx: 2, class: "area", fill: each.hatched ? this.hatching() : null }));
      else key.append(draw("line", { x1: 1, x2: 21, y1: 5, y2: 5, class: "line", "stroke-dasharray": each.dash }));
      const value = make("dd", {}, "–");
      return { value, element: make("div", {}, make("dt", {}, key, each.name), value) };
    });
    this.when = make("span", { class: "when" });
    this.svg = draw("svg", { class: "plot", height: HEIGHT, role: "img", tabindex: 0, "aria-label": title });
    const hatch = draw("pattern", { id: this.hatchId(), width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    hatch.append(draw("rect", { width: 6, height: 6, class: "hatch" }), draw("line", { y2: 6, class: "stripe" }));
    this.grid = draw("g", { class: "grid" });
    this.shapes = series.map((each) =>
      draw("path", {
        class: `${options.stacked ? "area" : "line"} ink${each.color}`,
        "stroke-dasharray": each.dash,
        fill: each.hatched && options.stacked ? this.hatching() : null,
      }),
    );
    this.cross = draw("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    this.svg.append(draw("defs", { class: `ink${series.find((each) => each.hatched)?.color ?? 1}` }, hatch), this.grid, ...this.shapes, this.cross);
    this.nothing = make("p", { class: "nothing" }, "The first values come in a moment.");
    this.element = make(
      "figure",
      { class: options.large ? "chart large" : "chart" },
      make("figcaption", {}, make("h3", {}, title, " ", make("small", {}, unit)), this.when),
      make("div", { class: "canvas" }, this.svg, this.nothing),
      make("dl", { class: "legend" }, ...this.legend.map((each) => each.element)),
    );
    this.svg.addEventListener("pointermove", (event) => this.point(event.clientX - this.svg.getBoundingClientRect().left));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("blur", () => this.point(null));
    this.svg.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => this.redraw()).observe(this.svg);
  }

  hatchId() {
    return `hatch${this.number}`;
  }

  hatching() {
    return `url(#${this.hatchId()})`;
  }

  update(data) {
    this.data = data;
    this.redraw();
  }

  redraw() {
    const { data, options } = this;
    const width = this.svg.clientWidth;
    if (!data || !width) return;
    const rows = data.ages.length;
    mark(this.nothing, "hidden", rows > 1);
    const values = this.series.map((each) => data.ages.map((_, row) => each.of(data.columns, row)));
    if (options.stacked) for (let row = 0; row < rows; row++) for (let place = 1; place < values.length; place++) values[place][row] += values[place - 1][row];
    const known = values.flat().filter((value) => value !== null && value !== undefined);
    const scale = options.logarithmic ? logarithmic(known) : linear(Math.max(options.least, ...known), options.binary);
    const x = (age) => LEFT + (width - LEFT - RIGHT) * (1 - age / data.length);
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - scale.place(value));
    this.x = x;
    this.lines(width, x, y, scale);
    this.series.forEach((_, place) => {
      const path = options.stacked ? area(data, values[place], values[place - 1], x, y) : line(data, values[place], x, y);
      mark(this.shapes[place], "d", path);
    });
    this.tell();
  }

  lines(width, x, y, scale) {
    const { data, options } = this;
    const marks = scale.ticks.map((value) => ({ y: y(value), text: options.tell(value) }));
    const now = Date.now() / 1000;
    const times = data.length <= 300 ? [120, 90, 60, 30, 0] : [3600, 2700, 1800, 900, 0];
    const shown = width < 300 ? times.filter((_, place) => place % 2 === 0) : times;
    const text = (age) => (age === 0 ? "now" : data.length <= 300 ? `−${age} s` : clock(now - age, false));
    const children = [
      ...marks.map((each) => draw("line", { x1: LEFT, x2: width - RIGHT, y1: each.y, y2: each.y })),
      ...marks.map((each) => draw("text", { x: LEFT - 6, y: each.y + 4, "text-anchor": "end" }, each.text)),
      ...shown.map((age) =>
        draw("text", { x: x(age), y: HEIGHT - 4, "text-anchor": age === 0 ? "end" : age === data.length ? "start" : "middle" }, text(age)),
      ),
    ];
    this.grid.replaceChildren(...children);
  }

  point(left) {
    if (left === null || !this.x || !this.data?.ages.length) this.at = null;
    else {
      const distance = this.data.ages.map((age) => Math.abs(this.x(age) - left));
      this.at = distance.indexOf(Math.min(...distance));
      this.back = this.data.ages.length - 1 - this.at;
    }
    this.tell();
  }

  step(event) {
    const rows = this.data?.ages.length ?? 0;
    if (!rows || !["ArrowLeft", "ArrowRight", "Escape"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Escape") this.at = null;
    else this.at = Math.min(rows - 1, Math.max(0, (this.at ?? rows - 1) + (event.key === "ArrowLeft" ? -1 : 1)));
    this.tell();
  }

  tell() {
    const { data, options } = this;
    const rows = data?.ages.length ?? 0;
    if (!rows) return;
    const row = this.at === null ? rows - 1 : Math.min(this.at, rows - 1);
    const age = data.ages[row];
    put(this.when, this.at === null ? "" : `${clock(Date.now() / 1000 - age)}, ${span(age)} ago`);
    const told = this.series.map((each, place) => {
      const value = each.of(data.columns, row);
      const text = value === null || value === undefined ? "–" : options.tell(value);
      put(this.legend[place].value, text);
      return `${each.name} ${text}`;
    });
    mark(this.cross, "visibility", this.at === null ? "hidden" : "visible");
    if (this.at !== null && this.x) {
      mark(this.cross, "x1", this.x(age).toFixed(1));
      mark(this.cross, "x2", this.x(age).toFixed(1));
    }
    mark(this.svg, "aria-label", clean(`${this.title}, ${this.when.textContent || "now"}: ${told.join(", ")}`));
  }
}

// Rows that follow each other are joined; where some are missing there is a gap.
function runs(data, values) {
  const found = [];
  let run = [];
  data.ages.forEach((age, row) => {
    const missing = values[row] === null || values[row] === undefined || age > data.length;
    if (run.length && (missing || data.ages[row - 1] - age > 3 * data.step)) {
      found.push(run);
      run = [];
    }
    if (!missing) run.push(row);
  });
  if (run.length) found.push(run);
  return found;
}

function line(data, values, x, y) {
  return runs(data, values)
    .map((run) => {
      const points = run.map((row) => `${x(data.ages[row]).toFixed(1)},${y(values[row]).toFixed(1)}`);
      return points.length === 1 ? `M${points[0]}h.1` : `M${points.join("L")}`;
    })
    .join("");
}

function area(data, values, below, x, y) {
  return runs(data, values)
    .map((run) => {
      const point = (row, value) => `${x(data.ages[row]).toFixed(1)},${y(value).toFixed(1)}`;
      const above = run.map((row) => point(row, values[row]));
      const under = run.map((row) => point(row, below ? below[row] : 0)).reverse();
      return `M${above.join("L")}L${under.join("L")}Z`;
    })
    .join("");
}

// The ends of scales are round numbers, so that they seldom change.
function linear(most, binary) {
  const power = 10 ** Math.floor(Math.log10(most));
  const top = [1, 2, 5, 10].map((times) => times * power).find((value) => value >= most * 0.999);
  const half = top / power === 5 ? [0, top * 0.4, top * 0.8] : [0, top / 2, top];
  return { place: (value) => Math.min(1, value / top), ticks: half };
}

function logarithmic(values) {
  const most = Math.max(0.01, ...values);
  const low = Math.log10(0.0003);
  const high = Math.max(-1, Math.ceil(Math.log10(most) * 2) / 2);
  const ticks = [0.001, 0.01, 0.1, 1, 10].filter((value) => Math.log10(value) <= high + 0.01);
  return { place: (value) => Math.min(1, Math.max(0, (Math.log10(Math.max(value, 1e-9)) - low) / (high - low))), ticks };
}

// The state of a peer over time in cells: high and dark where something was wrong.
export function strip(element, peer, states, rows, cells) {
  const found = peer.state ?? [];
  const per = Math.ceil(rows / cells);
  const worst = Array.from({ length: cells }, (_, cell) => {
    const end = found.length - (cells - 1 - cell) * per;
    const inside = found.slice(Math.max(0, end - per), Math.max(0, end)).map((place) => states[place]);
    return ["down", "ejected", "removed", "draining", "in maintenance", "up"].find((state) => inside.includes(state)) ?? "unknown";
  });
  if (element.children.length !== cells) {
    element.replaceChildren(...worst.map((_, cell) => draw("rect", { x: cell * 3, width: 2 })));
    mark(element, "viewBox", `0 0 ${cells * 3 - 1} 18`);
    mark(element, "preserveAspectRatio", "none");
  }
  worst.forEach((state, cell) => {
    const rect = element.children[cell];
    const height = state === "up" ? 10 : state === "unknown" ? 2 : 18;
    mark(rect, "class", `cell ${state === "in maintenance" ? "maintenance" : state}`);
    mark(rect, "height", height);
    mark(rect, "y", 18 - height);
  });
  const up = found.filter((place) => states[place] === "up").length;
  return found.length ? up / found.length : null;
}
