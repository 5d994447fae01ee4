// How it went: the document's course, and since the page was opened what it saw itself, which is finer.

const MOST_OWN = 200; // then every second one is given up
const own = []; // {at, totals, pools}, the oldest first

function remember(document_) {
  const { at, totals, pools } = document_;
  if (own.length && at - own.at(-1).at < 0.9) own.pop();
  own.push({ at, totals, pools: Object.fromEntries((pools ?? []).map((pool) => [pool.name, pool.states])) });
  if (own.length > MOST_OWN) own.splice(0, own.length, ...own.filter((_, index) => index % 2 || index === own.length - 1));
}

// What the document tells of the time before the page's own first look.
function earlierOf(course) {
  const end = course.times.findIndex((at) => at >= own[0].at - 1);
  return end < 0 ? course.times.length : end;
}

function timesOf({ course }) {
  return [...course.times.slice(0, earlierOf(course)), ...own.map((each) => each.at)];
}

// One figure over time; `name` in the course, `nameNow` among the totals.
function courseOf({ course }, name, nameNow = name) {
  return [...course[name].slice(0, earlierOf(course)), ...own.map((each) => each.totals[nameNow])];
}

// From a count that only grows, how fast it grew before each moment.
function growthOf(values, times) {
  return values.map((value, at) => {
    if (at === 0 || value === null || values[at - 1] === null) return null;
    return Math.max(0, value - values[at - 1]) / Math.max(1, times[at] - times[at - 1]);
  });
}

// A pool's nodes by state over time, without those that are off.
function statesOf({ course }, name) {
  const end = earlierOf(course);
  const before = course.pools[name] ?? {};
  const states = KNOWN_STATES.filter((state) => state !== "off" && (before[state] || own.some((each) => each.pools[name]?.[state])));
  return Object.fromEntries(states.map((state) => [state, [
    ...(before[state]?.slice(0, end) ?? Array(end).fill(0)), ...own.map((each) => each.pools[name]?.[state] ?? 0),
  ]]));
}
