// The document and its changes: asked for once, then told by server-sent events; asked for again where those don't come.
// Events are read by fetch(), as an EventSource can't bear a token.

const SILENCE_SECONDS = 15; // after which a connection is given up
const POLL_SECONDS = 5; // where events don't get through
const RETRIES = [1, 2, 4, 8, 15]; // seconds

const feed = { document: null, lastId: "", offset: null, heardAt: 0, lostAt: null, trouble: "", isPolling: false, tries: 0 };
let listening = null; // {controller, heardAt, hasHeard} of the events now read
let askedAt = 0;
let isMoving = false; // whether the connection is given up on purpose
let waking = null; // ends a wait before a retry
let onChange = () => {};

// Seconds by a clock that no one sets while the page is open.
function here() {
  return (performance.timeOrigin + performance.now()) / 1000;
}

// By the service's clock, without trust in this machine's: of all messages the fastest tells the difference.
function serverNow() {
  return feed.offset === null ? here() : here() - feed.offset;
}

function dataAge() {
  return feed.document === null ? null : Math.max(0, serverNow() - feed.document.at);
}

function secondsUnheard() {
  return feed.document === null || feed.isPolling ? 0 : (performance.now() - feed.heardAt) / 1000;
}

function heard(at) {
  const offset = here() - at;
  if (feed.offset === null || offset < feed.offset || offset > feed.offset + 3600) feed.offset = offset;
  feed.heardAt = performance.now();
  feed.lostAt = null;
  feed.trouble = "";
}

function take(document_) {
  if (document_.version !== 1) throw new Error(`the service is of another version (${visible(document_.version)}); load the page anew`);
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
  feed.lostAt ??= here();
  feed.trouble = why;
  onChange(new Set());
}

async function fetched(address, options = {}) {
  const headers = { ...authorization(), ...options.headers };
  return fetch(address, { cache: "no-store", credentials: "same-origin", ...options, headers });
}

async function ask() {
  askedAt = performance.now();
  performance.mark("headrace-heard");
  const limit = AbortSignal.timeout(SILENCE_SECONDS * 1000);
  const answer = await fetched("status.json", { signal: limit });
  if (!answer.ok) throw new Error(wordsOf(await answer.json().catch(() => ({})), answer.status));
  take(await answer.json());
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
  listening = { controller: new AbortController(), heardAt: performance.now(), hasHeard: false };
  const headers = { Accept: "text/event-stream", ...(feed.lastId ? { "Last-Event-ID": feed.lastId } : {}) };
  const answer = await fetched("events", { signal: listening.controller.signal, headers });
  if (!answer.ok) throw new Error(wordsOf(await answer.json().catch(() => ({})), answer.status));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the service closed the connection");
    Object.assign(listening, { heardAt: performance.now(), hasHeard: true });
    Object.assign(feed, { tries: 0, isPolling: false });
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    blocks.forEach(readMessage);
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

// Events, for as long as they come.
async function follow() {
  for (;;) {
    try {
      if (feed.document === null) await ask();
      await listen();
    } catch (error) {
      const hadHeard = listening?.hasHeard ?? false;
      listening = null;
      if (isMoving) isMoving = false;
      else await bridge(error, hadHeard);
    }
  }
}

// Where no event came and the document can be asked for, it is, every few seconds, until events get through.
async function bridge(error, hadHeard) {
  feed.tries += 1;
  if (!feed.isPolling) lost(reasonOf(error));
  if (!hadHeard && feed.document !== null) await poll();
  await pause(feed.isPolling ? POLL_SECONDS : RETRIES[Math.min(feed.tries, RETRIES.length) - 1]);
}

async function poll() {
  try {
    await ask();
    feed.isPolling = true;
  } catch (error) {
    feed.isPolling = false;
    lost(reasonOf(error));
  }
}

// As somebody else: what may be seen differs.
function reconnect() {
  feed.lastId = "";
  isMoving = feed.lostAt === null && !feed.isPolling;
  listening?.controller.abort();
  waking?.();
}

// Called each second: a connection that stands but tells nothing is given up.
function watchSilence() {
  const now = performance.now();
  if (listening && now - listening.heardAt > SILENCE_SECONDS * 1000) listening.controller.abort();
  if (feed.isPolling && now - askedAt > POLL_SECONDS * 1000) poll();
}

function startFeed(changed) {
  onChange = changed;
  addEventListener("online", () => waking?.());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) waking?.(); });
  follow();
}
