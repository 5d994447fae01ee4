// Who may act: a token, kept for this tab alone and never in an address, or whom a proxy has let in.

const TOKEN = "headrace-token";
const session = { login: "none", user: null, may: [] };

function token() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null; // a browser that keeps nothing
  }
}

function keep(value) {
  try {
    if (value === null) sessionStorage.removeItem(TOKEN);
    else sessionStorage.setItem(TOKEN, value);
  } catch {
    // it lasts until the page is left, then
  }
}

function authorization() {
  const held = token();
  return held === null ? {} : { Authorization: `Bearer ${held}` };
}

// `headrace up` prints the page's address with the token behind the #, which no server ever sees.
function takeTokenFromAddress() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return;
  keep(decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname + location.search);
}

// Asks who we are; a token that is refused is forgotten. Gives why it was refused, or null.
async function renewSession() {
  const answer = await fetched("session.json");
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) {
    Object.assign(session, { login: found.login, user: found.user ?? null, may: found.may ?? [] });
    showSession();
    return null;
  }
  const isUnknown = answer.status === 401;
  if (isUnknown) keep(null);
  Object.assign(session, { user: null, may: [] });
  showSession();
  return isUnknown ? "the service does not know this token." : wordsOf(found, answer.status);
}

function canAct() {
  return session.login !== "none";
}

function showSession() {
  const node = byId("login");
  const byToken = session.login === "token" || session.login === "both";
  show(node, session.user !== null ? token() !== null : byToken);
  put(node, session.user === null ? "Log in" : "Log out");
  const isByProxy = session.user !== null && token() === null;
  show(byId("who"), isByProxy);
  if (isByProxy) put(byId("who"), `Logged in: ${visible(session.user)}`);
  dispatchEvent(new Event("headrace-session"));
}

function dialog(title, ...content) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const node = h("dialog.dialog", { "aria-labelledby": "dialog-title" }, heading, content);
  const before = document.activeElement;
  node.addEventListener("close", () => {
    node.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
  });
  document.body.append(node);
  return node;
}

// Opens the login; gives whether somebody is logged in then. `why` says what for.
function askForToken(why) {
  return new Promise((resolve) => {
    const field = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true, spellcheck: "false" });
    const fault = h("p.fault", { role: "alert" });
    const send = h("button.main-button", { type: "submit" }, "Log in");
    const cancel = h("button.quiet-button", { type: "button", click: () => node.close() }, "Cancel");
    const form = h("form", { method: "dialog" },
      h("p", {}, why), h("label", { for: "token" }, "Token"), field, fault, h("div.choices", {}, send, cancel));
    const node = dialog("Log in", form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      await tryToken(field, fault, send);
      if (session.user !== null) node.close();
    });
    node.addEventListener("close", () => resolve(session.user !== null));
    node.showModal();
    field.focus();
  });
}

async function tryToken(field, fault, send) {
  mark(send, "aria-busy", "true");
  put(fault, "");
  keep(field.value.trim());
  try {
    const refused = await renewSession();
    if (refused !== null) put(fault, `Not let in: ${refused}`);
    else if (session.user === null) put(fault, "Not let in: the service knows no such token");
    else reconnect();
  } catch {
    keep(null);
    put(fault, "The service can't be reached now; try again when it is back.");
  }
  mark(send, "aria-busy", null);
  mark(field, "aria-invalid", fault.textContent ? "true" : null);
}

const LOGIN_WORDS = "Looking on needs none. The token is kept until this tab is closed, and is part of no address; " +
  "headrace up prints where it is.";

async function switchLogin() {
  if (session.user === null) {
    await askForToken(LOGIN_WORDS);
    return;
  }
  keep(null);
  await renewSession().catch(() => {});
  reconnect();
  say("You are logged out.");
}
