// What the proxy remembers, kept up with: rows that are new are added, rows that are too old go.

export class Record {
  constructor() {
    this.forget();
  }

  forget() {
    this.number = 0;
    this.now = 0;
    this.states = [];
    this.fine = { rows: 0, step: 1, site: {}, peers: {} };
    this.coarse = { rows: 0, step: 10, site: {}, peers: {} };
  }

  take(history) {
    // Without the rows in between nothing fits together: then it is all of it.
    const anew = history.after === 0 || history.after !== this.number;
    this.fine = joined(anew ? null : this.fine, history.fine);
    this.coarse = joined(anew ? null : this.coarse, history.coarse);
    this.number = history.number;
    this.now = history.now;
    this.states = history.states;
  }

  // Rows of a range: columns of the whole site, the age of each row in seconds, and the time that they span.
  over(range) {
    const rows = this[range];
    return { columns: rows.site, ages: (rows.site.at ?? []).map((at) => this.now - at), length: rows.rows * rows.step, step: rows.step };
  }

  // The mean of a column over the last seconds.
  lately(column, over) {
    const values = (this.fine.site[column] ?? []).slice(-over).filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : 0;
  }

  peer(range, pool, peer) {
    return this[range].peers[pool]?.[peer] ?? {};
  }
}

function joined(before, more) {
  const peers = {};
  for (const [pool, members] of Object.entries(more.peers)) {
    peers[pool] = {};
    for (const [peer, columns] of Object.entries(members)) peers[pool][peer] = added(before?.peers[pool]?.[peer], columns, more.rows);
  }
  return { rows: more.rows, step: more.step, site: added(before?.site, more.site, more.rows), peers };
}

function added(before, more, rows) {
  const found = {};
  for (const [name, values] of Object.entries(more)) found[name] = [...(before?.[name] ?? []), ...values].slice(-rows);
  return found;
}
