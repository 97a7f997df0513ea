// The tables below the pools, each of one kind of thing.

import { find, make, mark, put, Table } from "./elements.js";
import { clock, count, day, plural, rate, seconds, share, size, span } from "./numbers.js";
import { chip } from "./pools.js";

const number = (title, show) => ({ title, number: true, show });

// A bar whose parts are shares of a whole; parts: [class, value].
function bar(cell, parts, label) {
  if (!cell.bar) {
    cell.bar = make("span", { class: "bar", role: "img" }, ...parts.map(([name]) => make("i", { class: name })));
    cell.after = make("small");
    cell.append(cell.bar, cell.after);
  }
  const whole = parts.reduce((sum, [, value]) => sum + value, 0);
  parts.forEach(([, value], place) => {
    const width = `${whole ? (100 * value) / whole : 0}%`;
    if (cell.bar.children[place].style.width !== width) cell.bar.children[place].style.width = width;
  });
  put(cell.after, label);
  mark(cell.bar, "aria-label", parts.map(([name, value]) => `${name.replace(/^s(\d)$/, "$1xx")}: ${count(value)}`).join(", "));
}

function failures(tell) {
  return new Table(
    "Exchanges that failed through a peer or the proxy, the latest first",
    [
      { title: "When", class: "when", show: (each) => clock(each.at) },
      { title: "Status", show: (each, cell) => { put(cell, each.status || "cut"); mark(cell, "class", "bad"); } },
      { title: "Request", class: "long", show: (each, cell) => {
        if (!cell.text) { cell.text = make("span"); cell.append(cell.text, " ", make("button", { class: "why", onclick: () => tell(cell.failed) }, "Why?")); }
        cell.failed = each;
        put(cell.text, each.request);
      } },
      { title: "Cause, and what to do", class: "long", show: (each, cell) => {
        if (!cell.text) { cell.text = make("span"); cell.detail = make("small"); cell.append(cell.text, cell.detail); }
        put(cell.text, each.text + (each.detail ? ` (${each.detail})` : ""));
        put(cell.detail, each.again ? "as above" : each.remedy);
      } },
      { title: "Where", class: "where", show: (each) => [each.pool, each.peer].filter(Boolean).join(" → ") || each.route || "–" },
      { title: "Client", show: (each) => each.client },
    ],
    (each) => each.number,
    "Nothing has gone wrong through the fault of a peer or of the proxy.",
  );
}

function changes() {
  return new Table(
    "Changes of the states of peers, the latest first",
    [
      { title: "When", class: "when", show: (each) => clock(each.at) },
      { title: "Peer", show: (each) => `${each.pool} → ${each.peer}` },
      { title: "Is now", show: (each, cell) => { cell.chip ??= cell.appendChild(make("span")); chip(cell.chip, each.after); } },
      { title: "Was", show: (each) => each.before },
      { title: "Because", class: "long", show: (each) => each.why || "–" },
    ],
    (each) => `${each.at} ${each.pool} ${each.peer}`,
    "Nobody has come or gone since the start.",
  );
}

function routes() {
  return new Table(
    "Routes in order of precedence",
    [
      { title: "Route", show: (each) => each.name },
      { title: "Leads to", show: (each) => each.to + (each.cache ? `, cache ${each.cache}` : "") },
      number("Requests/s", (each) => rate(each.lately.requests)),
      number("Failed/s", (each, cell) => { put(cell, rate(each.lately.failed)); mark(cell, "class", each.lately.failed ? "number bad" : "number"); }),
      number("p50", (each) => seconds(each.lately.p50)),
      number("p99", (each) => seconds(each.lately.p99)),
      { title: "Answers since the start", class: "wide", show: (each, cell) => bar(cell, [2, 3, 4, 5].map((digit) => [`s${digit}`, each.statuses[`${digit}xx`]]), count(each.requests)) },
      number("Failed", (each) => count(each.errors)),
    ],
    (each) => each.key,
    "The site has no routes.",
  );
}

function running() {
  return new Table(
    "Requests that are being answered, the oldest first",
    [
      number("For", (each) => seconds(each.for)),
      { title: "Request", class: "long", show: (each) => each.request },
      { title: "Route", show: (each) => each.route || "–" },
      { title: "Peer", show: (each) => each.peer || "–" },
      { title: "Client", show: (each) => each.client },
    ],
    (each) => each.number,
    "No request takes that long at this moment.",
  );
}

function websockets() {
  return new Table(
    "WebSockets that are open, the oldest first",
    [
      { title: "Client", show: (each) => each.client },
      { title: "Route", show: (each) => each.route },
      { title: "Peer", show: (each) => each.peer },
      number("Open", (each) => span(each.for)),
      number("Silent", (each) => span(each.silent)),
      number("Messages", (each) => (each.messages === null ? "–" : count(each.messages))),
      number("Sent", (each) => size(each.bytes_up)),
      number("Received", (each) => size(each.bytes_down)),
    ],
    (each) => each.number,
    "No WebSocket is open.",
  );
}

function streams() {
  return new Table(
    "Connections of streams, the oldest first",
    [
      { title: "Client", show: (each) => each.client },
      { title: "Stream", show: (each) => each.stream + (each.name ? ` (${each.name})` : "") },
      { title: "Peer", show: (each) => each.peer || "not yet" },
      number("Open", (each) => span(each.for)),
      number("Sent", (each) => size(each.bytes_up)),
      number("Received", (each) => size(each.bytes_down)),
    ],
    (each) => `${each.stream} ${each.number}`,
    "No connection is open.",
  );
}

function caches() {
  return new Table(
    "Caches",
    [
      { title: "Cache", show: (each) => each.name },
      { title: "Requests", class: "wide", show: (each, cell) => {
        const { hits, stale, misses } = each.counts;
        bar(cell, [["hits", hits], ["stale", stale], ["misses", misses]], `${share(hits, hits + stale + misses)} hits`);
      } },
      number("Hits", (each) => count(each.counts.hits)),
      number("Stale", (each) => count(each.counts.stale)),
      number("Misses", (each) => count(each.counts.misses)),
      number("Not for it", (each) => count(each.counts.passed)),
      { title: "Room", class: "wide", show: (each, cell) => bar(cell, [["used", each.bytes], ["free", Math.max(0, each.max_size - each.bytes)]], `${size(each.bytes)} of ${size(each.max_size)}`) },
      number("Files", (each) => count(each.files) + (each.complete ? "" : "+")),
      number("Being filled", (each) => count(each.fills)),
      number("Troubles", (each, cell) => { put(cell, count(each.troubles + each.damaged)); mark(cell, "class", each.troubles + each.damaged ? "number bad" : "number"); }),
    ],
    (each) => each.name,
  );
}

function listeners() {
  return new Table(
    "Where clients connect",
    [
      { title: "Listener", show: (each) => each.name + (each.kind === "stream" ? " (stream)" : "") },
      { title: "On", show: (each) => each.addresses.join(", ") || "–" },
      { title: "TLS", show: (each) => each.tls ?? "–" },
      { title: "Connections", class: "wide", show: (each, cell) => bar(cell, [["used", each.connections], ["free", Math.max(0, each.max_connections - each.connections)]], `${count(each.connections)} of ${count(each.max_connections)}`) },
      number("HTTP/2", (each) => (each.http2 ? `${count(each.http2.connections)}, ${plural(each.http2.streams, "stream")}` : "–")),
      number("Accepted", (each) => count(each.accepted)),
      number("Turned away", (each) => count(each.turned_away)),
      number("No requests", (each) => count(Object.values(each.refused).reduce((sum, value) => sum + value, 0))),
    ],
    (each) => each.name,
  );
}

function limits() {
  return new Table(
    "Limits",
    [
      { title: "Limit", show: (each) => each.name + (each.dry_run ? " (dry run)" : "") },
      { title: "Counts by", show: (each) => each.key },
      number("Passed", (each) => count(each.passed)),
      number("Delayed", (each) => count(each.delayed)),
      number("Refused", (each) => count(each.refused)),
      number("Waiting", (each) => count(each.waiting)),
    ],
    (each) => each.name,
  );
}

function certificates(now) {
  return new Table(
    "Certificates that clients are shown",
    [
      { title: "Names", class: "long", show: (each) => each.names.join(", ") || each.tls },
      { title: "Expires", show: (each, cell) => {
        cell.chip ??= cell.appendChild(make("span"));
        cell.day ??= cell.appendChild(make("small"));
        const left = each.expires - now();
        put(cell.chip, left <= 0 ? "▲ expired" : `${left < 14 * 86400 ? "▲" : "●"} in ${span(left)}`);
        mark(cell.chip, "class", `chip ${left <= 0 ? "bad" : left < 14 * 86400 ? "wait" : "good"}`);
        put(cell.day, day(each.expires));
      } },
      { title: "Key", show: (each) => each.key },
      { title: "From", show: (each) => each.from },
      { title: "Issuer", show: (each) => each.issuer },
      { title: "OCSP", show: (each) => each.staple ?? "–" },
      { title: "Problem", class: "long", show: (each, cell) => { put(cell, each.problem ?? "none"); mark(cell, "class", each.problem ? "long bad" : "long"); } },
    ],
    (each) => `${each.tls} ${each.fingerprint}`,
  );
}

export class Sections {
  constructor(operator) {
    this.operator = operator;
    find("story-close").addEventListener("click", () => find("story").close());
    this.now = 0;
    this.tables = { failures: failures((failed) => this.tell(failed)), changes: changes(), routes: routes(), running: running(), websockets: websockets(), streams: streams(), caches: caches(), listeners: listeners(), limits: limits(), certificates: certificates(() => this.now) };
    for (const [name, table] of Object.entries(this.tables)) find(name).append(table.element);
  }

  // The story of one request, as the shell's why() tells it.
  async tell(failed) {
    put(find("story-title"), `Why request ${failed.number} failed`);
    const { ok, status, told } = await this.operator.read(`why.json?id=${failed.number}`);
    const problem = status === 401 ? "Log in to read the stories of requests." : told.error;
    const lines = ok ? told.story : [{ phase: "", text: problem }];
    const line = ({ phase, text }, place) => make("div", {}, make("dt", {}, phase === lines[place - 1]?.phase ? "" : phase), make("dd", {}, text));
    find("story-lines").replaceChildren(...lines.map(line));
    if (!find("story").open) find("story").showModal();
  }

  update(told) {
    const { state, running, websockets, streams } = told;
    const { tables } = this;
    this.now = state.now;
    const causes = Object.entries(told.causes);
    put(find("causes"), causes.length ? `since the start: ${causes.slice(0, 6).map(([cause, times]) => `${cause.replaceAll("_", " ")} ×${count(times)}`).join(" · ")}` : "by a peer's or the proxy's fault");
    // What to do is said once where the same goes wrong again and again.
    const same = (one, other) => other !== undefined && one.cause === other.cause && one.pool === other.pool;
    tables.failures.update(told.failures.map((each, place) => ({ ...each, again: same(each, told.failures[place - 1]) })));
    tables.changes.update(told.changes);
    tables.routes.update(state.routes.map((route, place) => ({ ...route, key: `${place} ${route.name}` })));
    // Shorter ones come and go faster than anybody reads.
    put(find("running-count"), `${plural(running.count, "request")}; below, those that have run for half a second or more`);
    tables.running.update(running.oldest.filter((each) => each.for >= 0.5));
    const ways = Object.entries(websockets.routes).map(([route, open]) => `${route} ${count(open)}`);
    put(find("websockets-count"), websockets.count ? `${count(websockets.count)} open: ${ways.slice(0, 6).join(" · ")}` : "0 open");
    tables.websockets.update(websockets.oldest);
    put(find("streams-count"), `${plural(streams.count, "connection")}`);
    tables.streams.update(streams.oldest);
    tables.listeners.update(state.listeners.map((each) => ({ ...each, http2: told.http2[each.name] })));
    const named = (things) => Object.entries(things).map(([name, thing]) => ({ name, ...thing }));
    tables.caches.update(named(state.caches));
    tables.limits.update(named(state.limits));
    tables.certificates.update(state.certificates);
    mark(find("streams-section"), "hidden", !state.listeners.some((each) => each.kind === "stream"));
    mark(find("caches-section"), "hidden", !Object.keys(state.caches).length);
    mark(find("limits-section"), "hidden", !Object.keys(state.limits).length);
    mark(find("certificates-section"), "hidden", !state.certificates.length);
  }
}
