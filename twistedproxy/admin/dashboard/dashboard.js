// The page: asks the proxy once a second what is new, while somebody looks.

import { Chart } from "./charts.js";
import { find, make, mark, put } from "./elements.js";
import { glance } from "./glance.js";
import { count, rate, seconds, size, span } from "./numbers.js";
import { Operator } from "./operator.js";
import { Pools } from "./pools.js";
import { Record } from "./record.js";
import { Sections } from "./sections.js";

const EVERY = 1000;
// The proxy shall have at least so many times as long for others as it takes to answer us, and so shall the browser.
const SPARED = 20;
const PATIENCE = 10_000;
const RANGE = "range";

const column = (name) => (columns, row) => columns[name]?.[row];
const sum = (...names) => (columns, row) => names.reduce((total, name) => total + (columns[name]?.[row] ?? 0), 0);

const charts = {
  requests: new Chart("Requests", "a second, by status", [
    { name: "1xx, 2xx", color: 1, of: sum("status_1xx", "status_2xx") },
    { name: "3xx", color: 2, of: column("status_3xx") },
    { name: "4xx", color: 3, of: column("status_4xx") },
    { name: "5xx", color: 4, of: column("status_5xx"), hatched: true },
  ], { stacked: true, tell: rate, large: true }),
  times: new Chart("Time to answer", "to the last byte", [
    { name: "half", color: 1, of: column("p50") },
    { name: "90 %", color: 3, of: column("p90"), dash: "6 3" },
    { name: "99 %", color: 4, of: column("p99"), dash: "2 3" },
  ], { logarithmic: true, tell: seconds, large: true }),
  open: new Chart("Open", "at the time", [
    { name: "connections", color: 1, of: column("connections") },
    { name: "running", color: 3, of: column("running"), dash: "6 3" },
    { name: "WebSockets", color: 5, of: column("websockets"), dash: "2 3" },
    { name: "streams", color: 6, of: column("streams"), dash: "8 3 2 3" },
  ], { tell: count, least: 4 }),
  cache: new Chart("Caches", "requests a second", [
    { name: "hits", color: 1, of: column("hits") },
    { name: "stale", color: 3, of: column("stale") },
    { name: "misses", color: 5, of: column("misses"), hatched: true },
  ], { stacked: true, tell: rate }),
  bytes: new Chart("Peer traffic", "bytes a second", [
    { name: "received", color: 1, of: column("from_peers") },
    { name: "sent", color: 3, of: column("to_peers"), dash: "6 3" },
  ], { tell: size, least: 1000 }),
  failures: new Chart("Failures", "a second", [
    { name: "failed", color: 4, of: column("failed") },
    { name: "tried again", color: 5, of: column("retries"), dash: "6 3" },
  ], { tell: rate }),
  processor: new Chart("Processor", "share of one core", [{ name: "this process", color: 1, of: column("cpu") }], { tell: (value) => `${Math.round(value * 100)} %` }),
};

const record = new Record();
const operator = new Operator(() => ask());
const pools = new Pools(operator, record);
const sections = new Sections(operator);
let timer = null;
let asking = null;
let started = null;
let told = null;
let lastHeard = null;

function state(kind, text) {
  mark(find("link"), "class", `chip ${kind}`);
  put(find("link"), text);
}

function schedule(after) {
  clearTimeout(timer);
  timer = document.hidden || after === null ? null : setTimeout(ask, after);
}

async function ask() {
  asking?.abort();
  clearTimeout(timer);
  const mine = (asking = new AbortController());
  const patience = setTimeout(() => mine.abort(), PATIENCE);
  let pause = EVERY;
  try {
    const answer = await fetch(`live.json?after=${record.number}`, { headers: operator.headers(), signal: mine.signal, cache: "no-store" });
    if (answer.status === 401) {
      state("wait", "locked");
      operator.show({ name: null, can_log_in: true });
      mark(find("main"), "hidden", true);
      operator.open();
      // Whoever logs in asks again.
      pause = null;
      return;
    }
    if (!answer.ok) throw new Error(`the answer was ${answer.status}`);
    const found = await answer.json();
    if (mine !== asking) return;
    const began = performance.now();
    heard(found);
    pause = Math.max(EVERY, SPARED * 1000 * found.took, SPARED * (performance.now() - began));
  } catch (problem) {
    if (mine !== asking) return;
    lost(problem);
  } finally {
    clearTimeout(patience);
    if (mine === asking) schedule(pause);
  }
}

function heard(found) {
  if (started !== null && started !== found.state.started) {
    // Another process: what was known of the one before is no part of its story.
    record.forget();
    started = found.state.started;
    if (found.history.after !== 0) return;
  }
  started = found.state.started;
  told = found;
  record.take(found.history);
  lastHeard = Date.now();
  mark(find("lost"), "hidden", true);
  mark(find("main"), "hidden", false);
  mark(document.body, "class", null);
  state("good", "● live");
  operator.show(found.you);
  show();
}

function lost(problem) {
  state("bad", "▲ no connection");
  mark(document.body, "class", "stale");
  const since = lastHeard === null ? "" : ` What you see is ${span((Date.now() - lastHeard) / 1000)} old.`;
  put(find("lost"), `The proxy does not answer (${problem.name === "AbortError" ? "too late" : problem.message}).${since} It is asked again and again.`);
  mark(find("lost"), "hidden", false);
}

function range() {
  return document.querySelector("input[name=range]:checked").value;
}

function show() {
  const { state: now } = told;
  put(find("about"), `version ${now.version} · up ${span(now.uptime)} · process ${now.process.pid}`);
  const wrong = Object.values(now.pools).flatMap((pool) => pool.peers).filter((peer) => ["down", "ejected"].includes(peer.state)).length;
  document.title = `${wrong ? `(${wrong}) ` : ""}twistedproxy`;
  glance(told, record);
  const data = record.over(range());
  for (const chart of Object.values(charts)) chart.update(data);
  // A site without caches has room for another chart.
  const caches = Object.keys(now.caches).length > 0;
  mark(charts.cache.element, "hidden", !caches);
  mark(charts.processor.element, "hidden", caches);
  pools.pools = now.pools;
  pools.update(now.pools, now.now, range());
  sections.update(told);
}

find("charts").append(...Object.values(charts).map((chart) => chart.element));
const kept = sessionStorage.getItem(RANGE) ?? "fine";
for (const choice of document.querySelectorAll("input[name=range]")) {
  choice.checked = choice.value === kept;
  choice.addEventListener("change", () => {
    sessionStorage.setItem(RANGE, choice.value);
    if (told) show();
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    asking?.abort();
    asking = null;
    state("off", "paused");
  } else ask();
});
ask();
