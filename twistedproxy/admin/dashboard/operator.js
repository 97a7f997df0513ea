// Who looks: a token in this tab's memory, said with each request in a field of its own; and what an operator does with it.

import { find, mark, put } from "./elements.js";

const KEPT = "operator-token";

export class Operator {
  constructor(changed) {
    this.changed = changed;
    this.name = null;
    this.dialog = find("login");
    find("log-in").addEventListener("click", () => this.open());
    find("log-out").addEventListener("click", () => this.logOut());
    find("login-cancel").addEventListener("click", () => this.dialog.close());
    find("login-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.logIn();
    });
  }

  get token() {
    return sessionStorage.getItem(KEPT) ?? "";
  }

  set token(value) {
    if (value) sessionStorage.setItem(KEPT, value);
    else sessionStorage.removeItem(KEPT);
  }

  headers() {
    return { "Operator-Token": this.token };
  }

  open() {
    if (this.dialog.open) return;
    put(find("login-problem"), "");
    this.dialog.showModal();
  }

  // What the proxy says of us.
  show({ name, can_log_in: possible }) {
    this.name = name;
    if (name === null) this.token = "";
    put(find("you"), name ?? "");
    mark(find("you"), "hidden", name === null);
    mark(find("log-out"), "hidden", name === null);
    mark(find("log-in"), "hidden", name !== null || !possible);
  }

  async logIn() {
    const [name, password] = [find("login-name"), find("login-password")];
    const { ok, told } = await this.ask("login", { name: name.value, password: password.value });
    if (!ok) {
      put(find("login-problem"), told.error);
      password.select();
      return;
    }
    password.value = "";
    this.token = told.token;
    this.dialog.close();
    this.changed();
  }

  async logOut() {
    await this.ask("logout", {});
    this.token = "";
    // Nothing of what was shown stays behind.
    window.location.reload();
  }

  // Ask for a change of a peer; what was said about it.
  async change(verb, pool, peer, more = {}) {
    const { ok, told } = await this.ask("change", { verb, pool, peer, ...more });
    this.changed();
    return ok ? told.said : told.error;
  }

  ask(path, wish) {
    const headers = { ...this.headers(), "Content-Type": "application/json" };
    return this.send(path, { method: "POST", headers, body: JSON.stringify(wish) });
  }

  read(path) {
    return this.send(path, { headers: this.headers() });
  }

  async send(path, options) {
    try {
      const answer = await fetch(path, { ...options, credentials: "same-origin", cache: "no-store" });
      const told = await answer.json().catch(() => ({ error: `the answer was ${answer.status}, and no word of the proxy's` }));
      return { ok: answer.ok, status: answer.status, told };
    } catch {
      return { ok: false, status: 0, told: { error: "the proxy cannot be reached" } };
    }
  }
}
