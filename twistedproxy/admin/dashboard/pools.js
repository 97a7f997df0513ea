// Pools and their peers: a table for each, a row for each peer, and more of it below on wish.

import { strip } from "./charts.js";
import { draw, each, find, make, mark, put } from "./elements.js";
import { clock, count, plural, rate, seconds, size, span } from "./numbers.js";

const SIGNS = { up: "●", down: "▲", ejected: "◆", draining: "◐", "in maintenance": "■", removed: "✕" };
const KINDS = { up: "good", down: "bad", ejected: "bad", draining: "wait", "in maintenance": "wait", removed: "off" };
const CELLS = 40;
const CHECKS = 20;
const TITLES = [["Peer"], ["State"], ["Requests/s", true], ["Running", true], ["Failed", true], ["Weight", true], ["Checks"], ["", false, "over"]];

export function chip(element, state) {
  put(element, `${SIGNS[state] ?? "○"} ${state}`);
  mark(element, "class", `chip ${KINDS[state] ?? "off"}`);
}

export class Pools {
  constructor(operator, record) {
    this.operator = operator;
    this.record = record;
  }

  update(pools, now, range) {
    this.now = now;
    this.range = range;
    each(find("pools"), Object.entries(pools), ([name]) => name, ([name]) => this.section(name), (section, [name, pool]) => this.show(section, name, pool));
  }

  section(name) {
    const id = `pool-${name}`;
    const titles = TITLES.map(([title, number, kind]) => make("th", { scope: "col", class: number ? "number" : kind ?? null }, title));
    const section = make("section", { "aria-labelledby": id, class: "pool" });
    section.chip = make("span", { class: "chip" });
    section.facts = make("p");
    section.table = make("table", { class: "peers" }, make("caption", { class: "unseen" }, `Peers of pool ${name}`), make("thead", {}, make("tr", {}, ...titles)));
    section.over = titles.at(-1);
    section.empty = make("p", { class: "empty" }, "Nobody belongs to this pool yet: the names in its servers have not been found.");
    section.append(
      make("div", { class: "title" }, make("h2", { id }, "Pool ", name), section.chip, section.facts),
      make("div", { class: "scroll" }, section.table, section.empty),
    );
    return section;
  }

  show(section, name, pool) {
    const members = pool.peers.filter((peer) => peer.state !== "removed");
    const { available } = pool;
    put(section.chip, `${available === members.length && available ? "●" : "▲"} ${available} of ${members.length} up`);
    mark(section.chip, "class", `chip ${available === members.length && available ? "good" : available ? "wait" : "bad"}`);
    const facts = [pool.balance.replaceAll("_", " "), pool.check ? `checked by ${pool.check}` : "not checked"];
    if (pool.sticky) facts.push(`sticky by ${pool.sticky.by}`);
    if (pool.retries) facts.push(plural(pool.retries, "retry", "retries"));
    if (pool.hedges) facts.push(plural(pool.hedges, "hedge"));
    if (pool.queue) facts.push(`${count(pool.queue.waiting)} wait in the queue`);
    facts.push(...pool.names.filter((each) => each.problem).map((each) => `${each.name}: ${each.problem}`));
    put(section.facts, facts.join(" · "));
    put(section.over, this.range === "fine" ? "Last 2 minutes" : "Last hour");
    mark(section.table, "hidden", pool.peers.length === 0);
    mark(section.empty, "hidden", pool.peers.length > 0);
    const keyed = (peer) => `${peer.name} ${peer.state === "removed"}`;
    each((section.holder ??= holder(section.table)), pool.peers, keyed, (peer) => this.body(name, peer), (body, peer) => this.peer(body, name, pool, peer));
  }

  body(pool, { name }) {
    const body = make("tbody");
    const toggle = make("button", { class: "toggle", "aria-expanded": "false", onclick: () => this.open(body) }, name);
    const cell = (number, title) => make("td", { class: number ? "number" : null, "data-title": title });
    body.cells = TITLES.slice(1).map(([title, number]) => cell(number, title));
    body.note = make("small", { class: "note" });
    body.chip = make("span", { class: "chip" });
    body.cells[0].append(body.chip);
    body.checks = draw("svg", { class: "checks", viewBox: `0 0 ${CHECKS * 4 - 1} 18`, "aria-hidden": "true" });
    body.checked = make("small");
    body.cells[5].append(body.checks, body.checked);
    body.strip = draw("svg", { class: "strip", role: "img" });
    body.share = make("small");
    body.cells[6].classList.add("over");
    body.cells[6].append(body.strip, body.share);
    body.toggle = toggle;
    body.more = make("td", { colspan: TITLES.length });
    body.moreRow = make("tr", { class: "more", hidden: true }, body.more);
    body.append(make("tr", {}, make("th", { scope: "row" }, toggle, body.note), ...body.cells), body.moreRow);
    this.inside(body, pool, name);
    return body;
  }

  // What is below a peer: facts, its last checks one by one, and what an operator can do.
  inside(body, pool, peer) {
    body.facts = make("dl", { class: "facts" });
    body.list = make("ol", { class: "results" });
    body.said = make("p", { class: "said", role: "status" });
    const minutes = make("select", { "aria-label": `Drain ${peer} for` }, ...[["10", "for 10 minutes"], ["60", "for an hour"], ["", "until restored"]].map(([value, text]) => make("option", { value }, text)));
    const weight = make("input", { type: "number", min: 0, max: 65535, step: 1, "aria-label": `Weight of ${peer}` });
    const act = async (verb, more) => put(body.said, await this.operator.change(verb, pool, peer, more));
    const drain = () => {
      if (this.isLast(pool, peer) && !window.confirm(`${peer} is the last peer of ${pool} that is up. Drain it all the same?`)) return;
      act("drain", minutes.value ? { minutes: Number(minutes.value) } : {});
    };
    body.weight = weight;
    body.controls = make(
      "div",
      { class: "controls" },
      make("span", { class: "group" }, make("button", { class: "drain", onclick: drain }, "Drain"), minutes),
      make("button", { class: "restore", onclick: () => act("restore") }, "Restore"),
      make("form", { class: "group", onsubmit: (event) => { event.preventDefault(); act("set_weight", { weight: Number(weight.value) }); } }, make("label", {}, "Weight ", weight), make("button", { class: "weigh" }, "Set")),
    );
    body.results = make("div", {}, make("h3", {}, "Last checks"), body.list);
    body.more.append(make("div", { class: "inside" }, make("div", {}, make("h3", {}, "Facts"), body.facts), body.results), body.controls, body.said);
  }

  isLast(pool, peer) {
    const found = this.pools?.[pool];
    return found !== undefined && found.available === 1 && found.peers.some((each) => each.name === peer && each.available);
  }

  open(body) {
    const opens = body.moreRow.hidden;
    mark(body.moreRow, "hidden", !opens);
    this.more(body, body.shown);
    mark(body.toggle, "aria-expanded", String(opens));
  }

  peer(body, pool, settings, peer) {
    const [, perSecond, running, failed, weight] = body.cells;
    const gone = peer.state === "removed";
    body.shown = peer;
    mark(body, "class", KINDS[peer.state] ?? null);
    chip(body.chip, peer.state);
    put(body.note, [peer.backup ? "backup" : "", peer.origin !== "site.ini" ? `from ${peer.origin}` : ""].filter(Boolean).join(", "));
    const track = this.record.peer(this.range, pool, peer.name);
    const lately = this.record.peer("fine", pool, peer.name).attempts?.slice(-5) ?? [];
    put(perSecond, lately.length ? rate(lately.reduce((sum, value) => sum + value, 0) / lately.length) : "–");
    put(running, count(peer.in_flight) + (peer.max_connections ? ` of ${count(peer.max_connections)}` : ""));
    put(failed, count(peer.failures));
    mark(failed, "class", peer.failures ? "number some" : "number");
    put(weight, peer.effective_weight === peer.weight ? count(peer.weight) : `${Number(peer.effective_weight.toFixed(1))} of ${peer.weight}`);
    this.checks(body, settings, peer);
    const up = strip(body.strip, track, this.record.states, this.record[this.range].rows, CELLS);
    put(body.share, up === null ? "" : up === 1 ? "up all the time" : `up ${(100 * up).toFixed(up > 0.99 ? 1 : 0)} %`);
    mark(body.strip, "aria-label", `State over time: ${body.share.textContent || "not known yet"}`);
    if (!body.moreRow.hidden) this.more(body, peer);
    mark(body.controls, "hidden", this.operator.name === null || gone);
    if (document.activeElement !== body.weight && body.weight.value !== String(peer.weight)) body.weight.value = peer.weight;
  }

  checks(body, settings, peer) {
    const checks = peer.checks.slice(-CHECKS);
    mark(body.checks, "hidden", !settings.check);
    const longest = Math.max(0.001, ...checks.map((check) => check.duration));
    if (body.checks.children.length !== CHECKS) body.checks.replaceChildren(...Array.from({ length: CHECKS }, (_, place) => draw("rect", { x: place * 4, width: 3 })));
    for (let place = 0; place < CHECKS; place++) {
      const check = checks[place - (CHECKS - checks.length)];
      const height = !check ? 1 : check.passed ? 4 + (8 * check.duration) / longest : 18;
      const rect = body.checks.children[place];
      mark(rect, "class", `cell ${!check ? "unknown" : check.passed ? "up" : check.counts ? "down" : "draining"}`);
      mark(rect, "y", (18 - height).toFixed(1));
      mark(rect, "height", height.toFixed(1));
    }
    const last = checks.at(-1);
    if (!settings.check) put(body.checked, "none");
    else if (!last) put(body.checked, peer.state === "in maintenance" ? "not now" : "not yet");
    else put(body.checked, last.passed ? `passed in ${seconds(last.duration)}` : last.reason);
    mark(body.checked, "class", last && !last.passed ? "bad" : null);
  }

  more(body, peer) {
    const until = peer.until ? ` for ${span(peer.until - this.now)} more` : "";
    const facts = [
      ["State", `${peer.state}${until}, since ${span(this.now - peer.since)}`],
      ["Because", peer.why || "nothing is wrong"],
      ["Attempts", count(peer.attempts)],
      ["Last failure", peer.last_failure?.replaceAll("_", " ") ?? "none"],
      ["Ejected", plural(peer.ejections, "time")],
      ["Usual answer", seconds(peer.answer_time)],
      ["Kept connections", count(peer.idle)],
      ["Sent, received", `${size(peer.bytes_sent)}, ${size(peer.bytes_received)}`],
      ["Addresses", peer.addresses.join(", ") || peer.name],
    ].filter(([title, value]) => title !== "Usual answer" || value !== "–");
    each(body.facts, facts, ([title]) => title, ([title]) => make("div", {}, make("dt", {}, title), make("dd")), (element, [, value]) => put(element.lastChild, value));
    mark(body.results, "hidden", peer.checks.length === 0);
    const shown = [...peer.checks].reverse();
    each(body.list, shown, (check) => check.at, () => make("li", {}, make("time"), make("span")), (element, check) => {
      put(element.firstChild, clock(check.at));
      put(element.lastChild, check.passed ? `✓ passed in ${seconds(check.duration)}` : `✗ ${check.reason}${check.counts ? "" : " (does not count)"}`);
      mark(element.lastChild, "class", check.passed ? null : "bad");
    });
  }
}

// Rows of peers are bodies of their own, behind the head: what keeps them in order must not touch what stands before them.
function holder(table) {
  return {
    get firstElementChild() {
      return table.tBodies[0] ?? null;
    },
    insertBefore: (child, place) => table.insertBefore(child, place),
  };
}
