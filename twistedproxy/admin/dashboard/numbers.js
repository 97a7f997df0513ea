// Numbers as people read them.

export function count(number) {
  return Math.round(number).toLocaleString("en-US");
}

export function rate(number) {
  if (number >= 100) return count(number);
  if (number >= 10) return number.toFixed(0);
  return number === 0 ? "0" : number.toFixed(number < 0.095 ? 2 : 1);
}

export function size(bytes) {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  let value = bytes;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (value < 999.5 || unit === "TB") return `${value.toFixed(value < 9.95 ? 1 : 0)} ${unit}`;
  }
  return "";
}

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0.00995) return `${(value * 1000).toFixed(1)} ms`;
  if (value < 0.9995) return `${(value * 1000).toFixed(0)} ms`;
  if (value < 59.95) return `${value.toFixed(value < 9.95 ? 1 : 0)} s`;
  return span(value);
}

// A length of time as people say it, to a part in a hundred or so.
export function span(value) {
  const whole = Math.max(0, Math.round(value));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole < 600 && whole % 60 ? ` ${whole % 60} s` : ""}`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h${whole % 3600 >= 60 ? ` ${Math.floor((whole % 3600) / 60)} min` : ""}`;
  const days = Math.floor(whole / 86400);
  return `${days} ${days === 1 ? "day" : "days"}${days < 10 && whole % 86400 >= 3600 ? ` ${Math.floor((whole % 86400) / 3600)} h` : ""}`;
}

export function share(part, whole) {
  if (!whole) return "–";
  const percent = (100 * part) / whole;
  return `${percent > 0 && percent < 0.95 ? percent.toFixed(1) : percent > 99 && percent < 100 ? percent.toFixed(1) : Math.round(percent)} %`;
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

// The time of day of a moment, seconds since 1970.
export function clock(at, withSeconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  return new Date(at * 1000).toLocaleTimeString("en-GB", withSeconds ? { ...options, second: "2-digit" } : options);
}

export function day(at) {
  return new Date(at * 1000).toLocaleDateString("en-CA");
}
