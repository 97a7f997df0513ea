// What counts most: some figures, and whatever somebody should look at.

import { each, find, make, mark, put } from "./elements.js";
import { count, plural, rate, seconds, share, size, span } from "./numbers.js";

const SOON = 14 * 86400;

// What needs somebody's attention: [how bad, text].
function worries(told) {
  const { state } = told;
  const found = [];
  for (const [name, pool] of Object.entries(state.pools)) {
    const members = pool.peers.filter((peer) => peer.state !== "removed");
    const out = members.filter((peer) => peer.state === "down" || peer.state === "ejected");
    if (!pool.available) found.push(["bad", `Pool ${name} has no peer that is up: its requests fail.`]);
    else if (out.length) found.push(["wait", `Pool ${name}: ${out.map((peer) => `${peer.name} is ${peer.state}${peer.why ? ` (${peer.why})` : ""}`).join(", ")}.`]);
    for (const each of pool.names) if (each.problem) found.push(["wait", `Pool ${name}: ${each.name}: ${each.problem}.`]);
  }
  for (const each of state.certificates) {
    const left = each.expires - state.now;
    const name = each.names[0] ?? each.tls;
    if (left <= 0) found.push(["bad", `The certificate of ${name} has expired.`]);
    else if (left < SOON) found.push(["wait", `The certificate of ${name} expires in less than ${span(Math.ceil(left / 86400) * 86400)}.`]);
    if (each.problem) found.push(["wait", `The certificate of ${name}: ${each.problem}.`]);
  }
  for (const each of state.listeners) if (each.connections > 0.9 * each.max_connections) found.push(["wait", `Listener ${each.name} has almost all the connections that it may have.`]);
  for (const [name, cache] of Object.entries(state.caches)) if (cache.troubles) found.push(["wait", `Cache ${name} had trouble with its disk; the log says which.`]);
  return found;
}

function figures(told, record) {
  const { state, lately } = told;
  const peers = Object.values(state.pools).flatMap((pool) => pool.peers.filter((peer) => peer.state !== "removed"));
  const up = peers.filter((peer) => peer.state === "up").length;
  const out = peers.filter((peer) => peer.state === "down" || peer.state === "ejected").length;
  const per = ["status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx"].map((name) => record.lately(name, 5));
  const all = per.reduce((sum, value) => sum + value, 0);
  const caches = Object.values(state.caches).map((cache) => cache.counts);
  const hits = caches.reduce((sum, each) => sum + each.hits, 0);
  const asked = caches.reduce((sum, each) => sum + each.hits + each.stale + each.misses, 0);
  const failing = lately.failed > 0;
  return [
    ["Requests", `${rate(all)}/s`, `${count(state.totals.requests)} so far`],
    ["Failed", `${rate(lately.failed)}/s`, failing ? `${share(lately.failed, lately.requests)} this minute` : "none this minute", failing ? "bad" : null],
    ["Usual answer", seconds(lately.p50), `99 % in ${seconds(lately.p99)}`],
    ["Peers up", `${up} of ${peers.length}`, up === peers.length ? "all of them" : out ? `${count(out)} down` : "as somebody wants it", out ? "bad" : null],
    ["Running", count(told.running.count), plural(state.totals.connections, "connection")],
    ["WebSockets", count(told.websockets.count), told.streams.count ? plural(told.streams.count, "stream") : "open"],
    ...(caches.length ? [["Cache hits", share(hits, asked), `of ${count(asked)}`]] : []),
    ["Processor", `${Math.round(100 * record.lately("cpu", 5))} %`, `${size(state.process.memory)} memory`],
  ];
}

export function glance(told, record) {
  const found = worries(told);
  const shown = found.length ? found : [["good", "All is well: every peer that should be up is up."]];
  each(find("attention"), shown, ([, text]) => text, () => make("li"), (element, [kind, text]) => {
    mark(element, "class", kind);
    put(element, `${kind === "good" ? "●" : "▲"} ${text}`);
  });
  each(find("tiles"), figures(told, record), ([title]) => title, ([title]) => make("div", {}, make("dt", {}, title), make("dd", { class: "value" }), make("dd", { class: "hint" })), (element, [, value, hint, kind]) => {
    mark(element, "class", kind);
    put(element.children[1], value);
    put(element.children[2], hint);
  });
}
