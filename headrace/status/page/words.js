// Numbers, times and foreign text as people read them.

const NUMBERS = new Intl.NumberFormat("en");
const EXACT = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const UNKNOWN = "–";
const KNOWN_STATES = ["busy", "idle", "booting", "draining", "stopping", "failed", "unknown", "off"];

function number(value, digits = 0) {
  if (value === null || value === undefined) return UNKNOWN;
  if (digits === 0) return NUMBERS.format(Math.round(value));
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function counted(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

function money(value) {
  return value === null ? UNKNOWN : number(value, value < 1000 ? 2 : 0);
}

function bytes(value) {
  if (value === null || value === undefined) return UNKNOWN;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** power;
  return `${scaled < 10 && power && scaled % 1 ? scaled.toFixed(1) : number(scaled)} ${units[power]}`;
}

// The two largest units: 45 s, 3 min 20 s, 2 h 5 min, 3 d 4 h.
function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const whole = Math.max(0, Math.round(seconds));
  if (seconds > 0 && seconds < 1) return `${number(seconds * 1000)} ms`;
  if (whole < 60) return `${whole} s`;
  if (whole < 600 && whole % 60) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return joinUnits(Math.floor(minutes / 60), "h", minutes % 60, "min");
  return joinUnits(Math.floor(minutes / 1440), "d", Math.floor((minutes % 1440) / 60), "h");
}

function finely(seconds) {
  return seconds !== null && seconds >= 1 && seconds < 10 ? `${number(seconds, 1)} s` : duration(seconds);
}

function joinUnits(large, largeUnit, small, smallUnit) {
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}

// The largest unit alone: what tells an age need not change each second.
function roughly(seconds) {
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  if (seconds < 3570) return `${Math.round(seconds / 60)} min`;
  return seconds < 84600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

function relative(at, now) {
  const seconds = now - at;
  if (Math.abs(seconds) < 2) return "now";
  return seconds > 0 ? `${roughly(seconds)} ago` : `in ${roughly(-seconds)}`;
}

function exactly(at) {
  return EXACT.format(new Date(at * 1000));
}

function clock(at) {
  return CLOCK.format(new Date(at * 1000));
}

// What would be obeyed instead of shown, as escapes: controls, bidirectional marks, private use, line ends.
function visible(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, (found) => {
    const code = found.codePointAt(0).toString(16).padStart(4, "0");
    return `\\u{${code}}`;
  });
}

// The beginning and the end, as names differ there.
function shortened(text, most = 90) {
  const shown = visible(text);
  if (shown.length <= most) return shown;
  const points = Array.from(shown);
  const head = Math.ceil(most * 0.6);
  return points.length <= most ? shown : `${points.slice(0, head).join("")} … ${points.slice(head - most).join("")}`;
}

// What the service says of an answer, for people.
function wordsOf(found, status) {
  return visible(found.message ?? found.reason ?? (status ? `the service answers ${status}` : "Done."));
}

function stateOf(name) {
  return KNOWN_STATES.includes(name) ? name : "unknown";
}
