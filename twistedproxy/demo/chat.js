// The chat panel: one WebSocket to /chat on the host that served the page.

const $ = (id) => document.getElementById(id);
const FIRST = ["Amber", "Basil", "Cedar", "Dahlia", "Ember", "Fern", "Hazel", "Indigo", "Juniper", "Linden", "Maple", "Sorrel"];

const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/chat`;
let socket = null;
let delay = 500;
let name = `${FIRST[Math.floor(Math.random() * FIRST.length)]} ${Math.floor(10 + 90 * Math.random())}`;

function state(text, kind) {
  $("chat-state").textContent = text;
  $("chat-state").className = `chip ${kind}`;
}

function addLine(line) {
  const log = $("lines");
  log.querySelector(".empty")?.remove();
  const item = document.createElement("li");
  for (const [tag, text] of [["time", line.at], ["b", line.name], ["span", line.text]]) {
    const part = document.createElement(tag);
    part.textContent = text;
    item.append(part);
  }
  log.append(item);
  while (log.children.length > 200) log.firstElementChild.remove();
  log.scrollTop = log.scrollHeight;
}

function empty(text) {
  const item = document.createElement("li");
  item.className = "empty";
  item.textContent = text;
  $("lines").replaceChildren(item);
}

const events = {
  before({ lines }) {
    empty("Nothing was said yet.");
    lines.forEach(addLine);
  },
  line: addLine,
  members({ members }) {
    $("members").replaceChildren(...members.map((member) => {
      const item = document.createElement("li");
      const scheme = document.createElement("small");
      item.textContent = `${member.name} `;
      scheme.textContent = member.scheme;
      item.append(scheme);
      return item;
    }));
  },
};

function connect() {
  const opening = new WebSocket(url, ["chat.demo"]);
  socket = opening;
  opening.addEventListener("open", () => {
    delay = 500;
    state("connected", "good");
    const terms = [opening.protocol && `subprotocol ${opening.protocol}`, opening.extensions.split(";")[0]];
    $("chat-terms").textContent = terms.filter(Boolean).join(", ");
    opening.send(JSON.stringify({ kind: "enter", name }));
  });
  opening.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    events[told.kind]?.(told);
  });
  opening.addEventListener("close", () => {
    if (socket !== opening) return;
    state("not connected, trying again", "bad");
    $("chat-terms").textContent = "";
    $("members").replaceChildren();
    setTimeout(connect, delay);
    delay = Math.min(delay * 2, 8000);
  });
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || socket.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ kind: "say", text }));
  $("text").value = "";
});

$("rename").addEventListener("submit", (event) => {
  event.preventDefault();
  name = $("name").value.trim() || name;
  $("name").value = name;
  // A name belongs to a connection: come in again under the new one.
  const old = socket;
  connect();
  old.close();
});

$("chat-url").textContent = url;
$("name").value = name;
empty("Nothing was said yet.");
connect();
