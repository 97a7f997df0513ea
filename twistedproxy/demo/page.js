// The page's three panels that ask over HTTP: who answered, the slow page, and the state of the peers.

const PAUSE = 300; // milliseconds between two questions while asking goes on
const STATUS_EVERY = 1000;
const RECENT = 60; // answers that the bars show
// Fields that the proxy sets or takes over (RFC 9110 §7.6.3 for Via).
const OURS = /^(x-forwarded-.*|x-real-ip|forwarded|via|connection)$/i;

const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const milliseconds = (time) => (time < 10 ? time.toFixed(1) : Math.round(time)) + " ms";

// ---- who answered

const peers = new Map(); // by name: what is known of a peer, and its elements
const times = []; // of the recent answers, in milliseconds
const recent = []; // who gave them
let asked = 0;
let failed = 0;
let keepAsking = null;

function addPeer(told, weights) {
  const fill = element("span");
  const mark = element("i", { title: "its share by weight" });
  const chip = element("span", { class: "chip" }, "…");
  const tally = element("span");
  const button = element("button", {}, "Break");
  const bar = element("div", { class: "bar" }, fill, mark);
  const weight = element("small", {}, `weight ${told.weight}, port ${told.port}`);
  const item = element(
    "li", { class: "peer" },
    element("span", { class: "who" }, `Peer ${told.name}`, weight),
    bar, button, element("span", { class: "told" }, chip, tally),
  );
  const peer = { ...told, expected: told.weight / weights, count: 0, fill, mark, chip, tally, button, weight };
  mark.style.left = `${peer.expected * 100}%`;
  button.addEventListener("click", () => switchPeer(peer));
  peers.set(told.name, peer);
  $("peers").append(item);
  showSwitch(peer);
}

function showSwitch(peer) {
  peer.button.textContent = peer.broken ? "Mend" : "Break";
  peer.button.setAttribute("aria-label", `${peer.broken ? "Mend" : "Break"} peer ${peer.name}`);
}

async function switchPeer(peer) {
  peer.button.disabled = true;
  try {
    const answer = await fetch(`control/${peer.name}/${peer.broken ? "mend" : "break"}`, { method: "POST" });
    if (answer.ok) peer.broken = (await answer.json()).broken;
  } finally {
    peer.button.disabled = false;
    showSwitch(peer);
  }
}

function showTally() {
  for (const peer of peers.values()) {
    const share = 100 * recent.filter((name) => name === peer.name).length / (recent.length || 1);
    peer.fill.style.width = `${share}%`;
    peer.tally.textContent =
      `${share.toFixed(0)} % of the last ${recent.length}, by weight ${(100 * peer.expected).toFixed(0)} % – ${peer.count} in all`;
  }
  $("asked").textContent = asked;
  $("failed").textContent = failed;
  $("failed").className = failed ? "bad" : "";
  $("last").textContent = times.length ? milliseconds(times.at(-1)) : "–";
  $("median").textContent = times.length ? milliseconds([...times].sort((a, b) => a - b)[times.length >> 1]) : "–";
}

function showFields(fields) {
  const rows = fields
    .map(([name, value]) => [OURS.test(name), name, value])
    .sort((a, b) => b[0] - a[0])
    .map(([ours, name, value]) =>
      element("tr", ours ? { class: "ours" } : {}, element("th", { scope: "row" }, name), element("td", {}, value)));
  $("fields").tBodies[0].replaceChildren(...rows);
}

let round = 0; // answers to questions that were asked before "Start over" do not count

async function ask() {
  const mine = round;
  const started = performance.now();
  let answer = null;
  try {
    const response = await fetch("who", { cache: "no-store" });
    if (response.ok) answer = await response.json();
  } catch { /* counted below */ }
  if (mine !== round) return;
  asked += 1;
  const peer = answer && peers.get(answer.peer);
  if (peer) {
    peer.count += 1;
    times.push(performance.now() - started);
    recent.push(peer.name);
    if (recent.length > RECENT) [times, recent].forEach((list) => list.shift());
    showFields(answer.headers);
  } else {
    failed += 1;
  }
  showTally();
}

function setAsking(on) {
  clearInterval(keepAsking);
  keepAsking = on ? setInterval(() => document.hidden || ask(), PAUSE) : null;
  $("keep").setAttribute("aria-pressed", String(on));
  $("keep").textContent = on ? "Stop asking" : "Keep asking";
}

function startOver() {
  round += 1;
  asked = failed = times.length = recent.length = 0;
  for (const peer of peers.values()) peer.count = 0;
  showTally();
}

async function burst() {
  $("burst").disabled = true;
  // Six at a time, as many connections as browsers open: what a browser holds back in a queue of its own is not our time.
  const lane = async () => { for (let count = 0; count < 10; count += 1) await ask(); };
  await Promise.all(Array.from({ length: 6 }, lane));
  $("burst").disabled = false;
}

// ---- the state of the peers, as the proxy tells it

const KINDS = { up: "good", down: "bad", ejected: "bad" };
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

async function pollStatus() {
  let status = null;
  try {
    status = await (await fetch("status.json", { cache: "no-store" })).json();
  } catch { /* the chips say so */ }
  const told = new Map(status?.pools.app?.peers.map((peer) => [peer.name, peer]));
  const weights = [...told.values()].reduce((sum, peer) => sum + (peer.available ? peer.weight : 0), 0);
  for (const peer of peers.values()) {
    const live = told.get(`127.0.0.1:${peer.port}`);
    peer.chip.textContent = live?.state ?? "state unknown";
    peer.chip.className = `chip ${KINDS[live?.state] ?? ""}`;
    peer.chip.title = live?.why ?? "";
    if (!live) continue;
    // What the shell changes is seen here too: weights, and who takes part at all.
    peer.expected = live.available && weights ? live.weight / weights : 0;
    peer.weight.textContent = `weight ${live.weight}, port ${peer.port}`;
    peer.mark.style.left = `${peer.expected * 100}%`;
  }
  const totals = status?.totals;
  $("totals").textContent = totals
    ? `The proxy now: ${plural(totals.connections, "connection")}, ${plural(totals.websockets, "WebSocket")}, ` +
      `${plural(totals.requests, "request")} since it started.`
    : "";
}

// ---- the slow page

let fresh = 0; // seconds for which the slow page may be stored
let freshUntil = 0;

async function askSlow() {
  const button = $("slow");
  button.disabled = true;
  button.textContent = "Waiting …";
  const started = performance.now();
  let verdict = "failed";
  let text = "";
  try {
    const response = await fetch("slow");
    text = (await response.text()).trim();
    if (response.ok) {
      verdict = (response.headers.get("X-Cache-Status") ?? "unknown").toLowerCase();
      freshUntil = Date.now() + 1000 * (fresh - Number(response.headers.get("Age") ?? 0));
    }
  } catch { /* shown as failed */ }
  const time = performance.now() - started;
  const fill = element("span");
  fill.style.width = `${Math.min(100, Math.max(1, time / 16))}%`;
  const chip = element("span", { class: `chip ${verdict === "hit" ? "good" : verdict === "failed" ? "bad" : ""}` }, verdict);
  $("fetches").prepend(element(
    "li", { class: verdict === "hit" ? "hit" : "", title: text },
    chip, element("span", { class: "bar" }, fill), element("span", { class: "time" }, milliseconds(time)),
  ));
  while ($("fetches").children.length > 6) $("fetches").lastElementChild.remove();
  button.disabled = false;
  button.textContent = "Ask for /slow";
  showFreshness();
}

function showFreshness() {
  const left = Math.ceil((freshUntil - Date.now()) / 1000);
  $("fresh").textContent = left > 0 ? `stored, fresh for ${left} s` : freshUntil ? "stored, but stale now" : "not asked for yet";
}

// ---- the shell, and where we are

function showDoors() {
  const secure = location.protocol === "https:";
  $("door").textContent = `You came in by ${secure ? "https" : "http"}.`;
  const other = secure ? "http://localhost:8080/" : "https://localhost:8443/";
  $("other-door").append(
    "The other door: ", element("a", { href: other }, other),
    secure ? "." : " (its certificate was made by the proxy itself, so your browser will ask).");
}

async function copyCommand() {
  try {
    await navigator.clipboard.writeText($("command").textContent);
    $("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("command"));
    $("copy").textContent = "Selected";
  }
  setTimeout(() => { $("copy").textContent = "Copy"; }, 2000);
}

async function begin() {
  showDoors();
  const facts = await (await fetch("demo.json", { cache: "no-store" })).json();
  $("command").textContent = facts.shell;
  fresh = facts.fresh;
  const weights = facts.peers.reduce((sum, peer) => sum + peer.weight, 0);
  for (const peer of facts.peers) addPeer(peer, weights);
  showTally();
  showFreshness();
  setInterval(showFreshness, 500);
  pollStatus();
  setInterval(() => document.hidden || pollStatus(), STATUS_EVERY);
  setAsking(true);
}

$("keep").addEventListener("click", () => setAsking(keepAsking === null));
$("once").addEventListener("click", ask);
$("burst").addEventListener("click", burst);
$("reset").addEventListener("click", startOver);
$("slow").addEventListener("click", askSlow);
$("copy").addEventListener("click", copyCommand);
begin();
