// The document and its changes: asked for once, then told by server-sent events; asked for again where those don't come.
// Events are read by fetch(), as an EventSource can't bear a token.

const SILENCE_SECONDS = 15; // after which a connection is given up
const POLL_SECONDS = 5; // where events don't get through
const RETRIES = [1, 2, 4, 8, 15]; // seconds

const feed = { document: null, lastId: "", offset: null, heardAt: 0, lostAt: null, trouble: "", isPolling: false, tries: 0 };
let connection = null; // AbortController of the events now read
let isMoving = false; // whether the connection is given up on purpose
let waking = null; // ends a wait before a retry
let onChange = () => {};

// `at` of the service without trust in this machine's clock: of all messages the fastest tells the difference.
function serverNow() {
  const here = Date.now() / 1000;
  return feed.offset === null ? here : here - feed.offset;
}

function dataAge() {
  return feed.document === null ? null : Math.max(0, serverNow() - feed.document.at);
}

function secondsUnheard() {
  return feed.document === null || feed.isPolling ? 0 : (performance.now() - feed.heardAt) / 1000;
}

function heard(at) {
  const offset = Date.now() / 1000 - at;
  if (feed.offset === null || offset < feed.offset || offset > feed.offset + 3600) feed.offset = offset;
  feed.heardAt = performance.now();
  feed.lostAt = null;
  feed.trouble = "";
}

function take(document_) {
  feed.document = document_;
  heard(document_.at);
  onChange(new Set(Object.keys(document_)));
}

function takeChange(change) {
  if (feed.document === null) return;
  feed.document = { ...feed.document, ...change };
  heard(change.at);
  onChange(new Set(Object.keys(change)));
}

function lost(why) {
  feed.lostAt ??= serverNow();
  feed.trouble = why;
  onChange(new Set());
}

async function fetched(address, options = {}) {
  const headers = { ...authorization(), ...options.headers };
  return fetch(address, { cache: "no-store", credentials: "same-origin", ...options, headers });
}

async function ask() {
  performance.mark("headrace-heard");
  const limit = AbortSignal.timeout(SILENCE_SECONDS * 1000);
  const answer = await fetched("status.json", { signal: limit });
  if (!answer.ok) throw new Error(wordsOf(await answer.json().catch(() => ({})), answer.status));
  const found = await answer.json();
  if (found.version !== 1) throw new Error(`status.json has version ${visible(found.version)}; load the page anew`);
  take(found);
}

function told(event, data, id) {
  if (id) feed.lastId = id;
  performance.mark("headrace-heard");
  if (event === "document") take(JSON.parse(data));
  else if (event === "change") takeChange(JSON.parse(data));
  else if (event === "beat") takeChange({ at: JSON.parse(data).at });
}

// One message of https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
function readMessage(block) {
  let event = "message";
  let id = "";
  const data = [];
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") event = value;
    else if (field === "id") id = value;
    else if (field === "data") data.push(value);
  }
  if (data.length) told(event, data.join("\n"), id);
}

async function listen() {
  connection = new AbortController();
  const { signal } = connection;
  const headers = feed.lastId ? { "Last-Event-ID": feed.lastId } : {};
  const answer = await fetched("events", { signal, headers: { Accept: "text/event-stream", ...headers } });
  if (!answer.ok) throw new Error(wordsOf(await answer.json().catch(() => ({})), answer.status));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the service closed the connection");
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    blocks.forEach(readMessage);
    feed.tries = 0;
    feed.isPolling = false;
  }
}

function pause(seconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    waking = () => { clearTimeout(timer); resolve(); };
  });
}

function reasonOf(error) {
  if (error.name === "AbortError" || error.name === "TimeoutError") return "nothing was heard from the service";
  return error instanceof TypeError ? "the service can't be reached" : error.message;
}

// Events, for as long as they come. Where they fail and the document can be asked for, it is, every few seconds.
async function follow() {
  for (;;) {
    try {
      if (feed.document === null) await ask();
      await listen();
    } catch (error) {
      if (isMoving) {
        isMoving = false;
        continue;
      }
      feed.tries += 1;
      await bridge(error);
    }
  }
}

async function bridge(error) {
  lost(reasonOf(error));
  if (feed.tries > 2 && feed.document !== null) {
    try {
      await ask();
      feed.isPolling = true;
    } catch (other) {
      feed.isPolling = false;
      lost(reasonOf(other));
    }
  }
  await pause(feed.isPolling ? POLL_SECONDS : RETRIES[Math.min(feed.tries, RETRIES.length) - 1]);
}

// As somebody else: what may be seen differs.
function reconnect() {
  feed.lastId = "";
  isMoving = feed.lostAt === null && !feed.isPolling;
  connection?.abort();
  waking?.();
}

// Called each second: a connection that stands but tells nothing is given up.
function watchSilence() {
  if (feed.lostAt === null && secondsUnheard() > SILENCE_SECONDS) connection?.abort();
}

function startFeed(changed) {
  onChange = changed;
  addEventListener("online", () => waking?.());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) waking?.(); });
  follow();
}
