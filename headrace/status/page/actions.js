// What a person may do: asked again, sent, and told how it went.

let saidTimer = null;

// For a while at the page's foot; faults stay until they are closed.
function say(text, kind = "good") {
  const close = button("Close", () => byId("said").replaceChildren());
  const note = h("div.note", { "data-kind": kind }, h("p", {}, text), close);
  byId("said").replaceChildren(note);
  clearTimeout(saidTimer);
  if (kind === "good") saidTimer = setTimeout(() => note.remove(), 8000);
}

function confirmed(title, words, verb) {
  return new Promise((resolve) => {
    const yes = h("button.main-button", { type: "button", click: () => node.close("yes") }, verb);
    const no = h("button.quiet-button", { type: "button", click: () => node.close("no") }, "Cancel");
    const node = dialog(title, h("div.dialog-text", {}, words), h("div.choices", {}, yes, no));
    node.addEventListener("close", () => resolve(node.returnValue === "yes"));
    node.showModal();
    yes.focus();
  });
}

async function mayDo(name, verb) {
  if (session.user === null) {
    await askForToken(`To ${verb.toLowerCase()} needs a login. ${LOGIN_WORDS}`);
    if (session.user === null) return false;
  }
  if (session.may.includes(name)) return true;
  say(`${visible(session.user)} may not do this: what is allowed is ${session.may.join(", ") || "nothing"}.`, "bad");
  return false;
}

// `act` is {name, body, title, words, verb, doing}; gives whether it was done.
async function perform(act, presser) {
  if (presser.getAttribute("aria-busy") === "true") return false;
  if (!(await mayDo(act.name, act.verb))) return false;
  if (!(await confirmed(act.title, act.words, act.verb))) return false;
  const label = presser.textContent;
  mark(presser, "aria-busy", "true");
  put(presser, act.doing);
  const { isDone, message } = await sent(act);
  mark(presser, "aria-busy", null);
  put(presser, label);
  say(message, isDone ? "good" : "bad");
  return isDone;
}

async function sent(act) {
  try {
    const answer = await fetched(`actions/${act.name}`, {
      method: "POST", body: JSON.stringify(act.body), headers: { "Content-Type": "application/json" },
    });
    const found = await answer.json().catch(() => ({}));
    if (answer.status === 401) await renewSession();
    return { isDone: answer.ok, message: answer.ok ? wordsOf(found) : `Not done: ${wordsOf(found, answer.status)}` };
  } catch {
    return { isDone: false, message: "Not known whether it was done: the service did not answer. Look, and try again." };
  }
}

function actButton(text, act, attributes = {}) {
  const node = button(text, () => perform(act(), node), attributes);
  return node;
}
