"use strict";
// One row at a time: shows it, sends the answer, shows what the server says comes next. All texts
// are set as text, never as HTML.

const find = (id) => document.getElementById(id);
const LOOK_AGAIN = 3000, WAIT_FOR_ROWS = 400; // milliseconds

let page = null;        // labels and what else does not change
let present = null;     // the question on the screen
let correcting = false; // whether it has been answered before, and the answer is to be replaced
let busy = false;       // an answer is on its way: keys are not for the row that follows
let drawn = "";         // the curve on the screen
let timer = 0;

class Problem extends Error {}

async function request(path, content) {
  const options = content === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Skactive-CSRF": page.csrf },
    body: JSON.stringify(content),
  };
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Problem("The server does not answer. All labels given so far are safe: start the " +
      "same command again and open the link that it shows.");
  }
  let reply;
  try {
    reply = await response.json();
  } catch {
    throw new Problem(`The server's answer cannot be read (status ${response.status}).`);
  }
  if (!response.ok && response.status !== 409) throw new Problem(reply.error);
  return reply;
}

function notify(text) {
  if (find("notice").textContent !== text) find("notice").textContent = text;
}

function short(text) {
  return text.length > 60 ? text.slice(0, 59) + "…" : text;
}

function nameOf(answer) {
  if (answer.label === null) return "don’t know";
  return short(page.labels[answer.label]?.label ?? "a label from elsewhere");
}

function showProgress(state) {
  const { labels, budget, unknown, batch } = state.progress;
  find("bar").max = Math.max(1, budget);
  find("bar").value = Math.min(labels, budget);
  const parts = [`${labels} of ${budget} labels`, `batch ${batch}`];
  if (unknown > 0) parts.splice(1, 0, `${unknown} × don’t know`);
  find("count").textContent = parts.join(" · ");
  const curve = JSON.stringify(state.curve);
  if (curve !== drawn) {
    drawn = curve;
    drawCurve(find("curve"), state.curve.points);
    find("meaning").textContent = state.curve.meaning;
  }
}

function showFields(question) {
  const fields = find("fields");
  fields.replaceChildren();
  for (const [name, text] of question.fields) {
    const term = document.createElement("dt");
    const description = document.createElement("dd");
    term.textContent = name;
    term.dir = description.dir = "auto";
    description.textContent = text;
    fields.append(term, description);
  }
  const single = question.fields.length === 1;
  fields.className = single && question.kind === "text" ? "single" : question.kind;
}

function showImage(question) {
  const image = find("image");
  image.hidden = !question.has_image;
  image.classList.remove("small");
  if (question.has_image) {
    image.alt = `Image of row ${question.id}`;
    image.src = `image/${question.row}`;
  } else {
    image.removeAttribute("src");
  }
}

function showQuestion(question, isCorrection) {
  const isOther = present === null || question === null || present.row !== question.row;
  present = question;
  correcting = isCorrection;
  find("question").hidden = question === null;
  find("controls").hidden = false;
  find("previous").hidden = !isCorrection;
  find("back").hidden = !isCorrection;
  find("skip").disabled = question === null;
  find("later").disabled = question === null || isCorrection;
  for (const button of find("labels").children) {
    const chosen = isCorrection && question.answer.label === Number(button.dataset.number);
    button.classList.toggle("chosen", chosen);
    button.disabled = question === null;
  }
  find("card").dataset.row = question === null ? "" : question.row;
  if (question === null) return;
  find("waiting").hidden = true;
  if (isCorrection) {
    find("previous").textContent =
      `You answered “${nameOf(question.answer)}”. Another answer replaces it; Esc keeps it.`;
  }
  if (isOther) {
    showFields(question);
    showImage(question);
    find("card").scrollTop = 0;
  }
  find("why").textContent = question.why;
  find("card").focus({ preventScroll: true });
}

function showState(state) {
  showProgress(state);
  find("card").dataset.status = state.status;
  showQuestion(state.question, false);
  if (state.question !== null) return;
  const waiting = find("waiting");
  waiting.hidden = false;
  waiting.textContent = {
    preparing: state.message || "The next rows are being picked …",
    finished: `Finished: ${state.message}`,
    failed: `The next rows could not be picked: ${state.message} All labels are safe; the ` +
      "terminal says more. Start the command again to go on.",
  }[state.status];
}

function lookAgain(delay) {
  clearTimeout(timer);
  timer = setTimeout(look, delay);
}

async function look() {
  let isWaiting = present === null;
  if (!busy && (isWaiting || !document.hidden)) {
    try {
      const state = await request("api/state");
      if (!busy && !correcting && present === null) showState(state);
      else showProgress(state); // the row on the screen stays until it is answered
      isWaiting = present === null && state.status === "preparing";
    } catch (error) {
      report(error);
      isWaiting = false;
    }
  }
  lookAgain(isWaiting ? WAIT_FOR_ROWS : LOOK_AGAIN);
}

function report(error) {
  if (!(error instanceof Problem)) throw error;
  notify(error.message);
}

// Runs one action at a time; what is pressed meanwhile is not meant for the row that follows.
async function alone(action) {
  if (busy || page === null) return;
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (error) {
    report(error);
  } finally {
    busy = false;
    document.body.removeAttribute("aria-busy");
    lookAgain(present === null ? WAIT_FOR_ROWS : LOOK_AGAIN);
  }
}

function show(state) {
  notify(state.error ?? "");
  showState(state);
}

function answer(label) {
  return alone(async () => {
    if (present === null) return;
    const seen = correcting ? present.answer : null;
    show(await request("api/answer", { row: present.row, label, seen }));
  });
}

function later() {
  return alone(async () => {
    if (present !== null && !correcting) show(await request("api/later", { row: present.row }));
    else if (correcting) notify("An answer cannot be put off. Press s for “don’t know”.");
  });
}

function undo() {
  return alone(async () => {
    const before = correcting ? `?before=${present.row}` : "";
    const { question } = await request(`api/answered${before}`);
    if (question === null) return notify("There is no answer before this one.");
    notify("");
    showQuestion(question, true);
  });
}

function back() {
  return alone(async () => {
    if (correcting) show(await request("api/state"));
  });
}

function makeButtons() {
  page.labels.forEach(({ label, keys }, number) => {
    const button = document.createElement("button");
    const text = document.createElement("bdi");
    const hints = document.createElement("span");
    button.type = "button";
    button.dataset.number = number;
    button.setAttribute("aria-keyshortcuts", keys.join(" "));
    hints.className = "keys";
    for (const key of keys) {
      const hint = document.createElement("kbd");
      hint.textContent = key;
      hints.append(hint);
    }
    text.textContent = label;
    button.append(hints, text);
    button.addEventListener("click", () => answer(number));
    find("labels").append(button);
  });
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || page === null) return;
  const name = keyName(event);
  const number = page.labels.findIndex(({ keys }) => keys.includes(name));
  const actions = { s: () => answer(null), l: later, u: undo, Escape: back };
  const action = number >= 0 ? () => answer(number) : Object.hasOwn(actions, name) && actions[name];
  if (!action) return;
  event.preventDefault();
  if (!event.repeat) action();
}

// The character of a key; its place where digits need Shift, or letters are not Latin ones.
function keyName(event) {
  if (event.key.length > 1) return event.key;
  const key = event.key.toLowerCase();
  if (/^[a-z0-9]$/.test(key)) return key;
  const place = /^(?:Key|Digit|Numpad)([A-Z0-9])$/.exec(event.code)?.[1].toLowerCase() ?? "";
  return /\d/.test(place) || key > "\x7f" ? place : key;
}

async function begin() {
  try {
    page = await request("api/page");
    makeButtons();
    find("title").textContent = document.title = page.title;
    find("journal").textContent = page.journal;
    if (page.export) {
      find("export").textContent = page.export;
      find("export").hidden = find("export-name").hidden = false;
    }
    showState(await request("api/state"));
  } catch (error) {
    report(error);
    find("waiting").hidden = true;
    return;
  }
  lookAgain(present === null ? WAIT_FOR_ROWS : LOOK_AGAIN);
}

find("skip").addEventListener("click", () => answer(null));
find("later").addEventListener("click", later);
find("undo").addEventListener("click", undo);
find("back").addEventListener("click", back);
find("image").addEventListener("load", ({ target }) => {
  target.classList.toggle("small", target.naturalWidth < 150);
});
find("image").addEventListener("error", () => notify("The image of this row cannot be shown."));
document.addEventListener("keydown", pressed);
begin();
