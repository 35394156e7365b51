// What all pages share: words, calls to the own server, forms, dialogs, dates. No globals, no third parties.

const words = JSON.parse(document.getElementById("words").textContent);
export const language = document.documentElement.lang;
const plural = new Intl.PluralRules(language);
export const $ = (id) => document.getElementById(id);

/** The sentence of `key`; `n` chooses its plural form. */
export function say(key, values = {}) {
  let entry = words[key];
  if (entry === undefined) return key;
  if (typeof entry === "object") entry = entry[plural.select(Math.trunc(values.n))] ?? entry.other;
  return entry.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** An element with properties and children; text is always text, never markup. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** What a code of the server means, in this page's language; else the server's own sentence. */
export const meaning = (code, sentence) => (words[`error.${code}`] ? say(`error.${code}`) : sentence);

/** A refusal of the server, with the id to quote. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem ? meaning(problem.code, problem.message) : say("js.broken"));
    this.status = status;
    this.code = problem?.code ?? "";
    this.requestId = problem?.request_id ?? "";
  }
}

/** Ask the own server. Answers its JSON (null for no content); throws Refused, or TypeError when it can't be reached. */
export async function call(method, path, body, headers = {}) {
  const options = { method, headers: { Accept: "application/json", ...headers }, credentials: "same-origin" };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    setOffline(true);
    throw error;
  }
  setOffline(false);
  const isJson = response.headers.get("content-type")?.includes("json");
  const content = isJson ? await response.json() : null;
  if (!response.ok) throw new Refused(response.status, content?.error);
  return content;
}

export function setOffline(isOffline) {
  $("offline").hidden = !isOffline;
}

/** What to tell somebody about an error. */
export function sentence(error) {
  if (!(error instanceof Refused)) return say("js.unreachable");
  return error.requestId ? `${error.message} (${error.requestId})` : error.message;
}

/** Show a sentence in the `.said` of a form or section; good news is green. */
export function tell(place, text, isGood = false) {
  const said = place.querySelector(".said");
  said.textContent = text;
  said.classList.toggle("good", isGood);
}

/** Send a form by `send(values)`, its button asleep meanwhile; errors are told in the form. */
export function onSubmit(form, send) {
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button:not([type=button])");
    tell(form, "");
    button.disabled = true;
    try {
      await send(Object.fromEntries(new FormData(form)), form);
    } catch (error) {
      tell(form, sentence(error));
    } finally {
      button.disabled = false;
    }
  });
}

/** Show a secret once; resolves when it was put away. */
export function showSecret(secret) {
  const dialog = $("secret");
  dialog.querySelector(".secret").textContent = secret;
  const [copy, close] = dialog.querySelectorAll("button");
  copy.onclick = async () => {
    await navigator.clipboard?.writeText(secret);
    announce(say("js.copied"));
    copy.textContent = say("js.copied");
  };
  close.onclick = () => dialog.close();
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.querySelector(".secret").textContent = "";
      resolve();
    }, { once: true });
  });
}

/** Ask before something that can't be undone. The focus starts on Cancel. */
export function ask({ title, lead = "", list = [], yes }) {
  const dialog = $("ask");
  $("ask-title").textContent = title;
  $("ask-lead").textContent = lead;
  $("ask-list").replaceChildren(...list.map((line) => make("li", { textContent: line })));
  $("ask-list").hidden = list.length === 0;
  const [cancel, agree] = dialog.querySelectorAll("button");
  agree.textContent = yes;
  dialog.returnValue = "";
  cancel.onclick = () => dialog.close();
  agree.onclick = () => dialog.close("yes");
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

let announcedAt = 0;
/** For screen readers; progress at most every five seconds. */
export function announce(text, isProgress = false) {
  if (isProgress && performance.now() - announcedAt < 5000) return;
  announcedAt = performance.now();
  $("announce").textContent = text;
}

const dayFormat = new Intl.DateTimeFormat(language, { dateStyle: "long" });
const momentFormat = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });

/** "29 November 2026" of unix seconds. */
export const day = (seconds) => dayFormat.format(new Date(seconds * 1000));
/** Date and time with the zone's offset left to the reader's machine; of an ISO text. */
export const moment = (text) => momentFormat.format(new Date(text));
/** Whole days from now, rounded up, never below zero. */
export const daysLeft = (seconds) => Math.max(0, Math.ceil((seconds * 1000 - Date.now()) / 86400000));

/** A table cell that knows its column's name, for phones. */
export const cell = (label, content, className = "") => {
  const made = make("td", { className }, content);
  made.dataset.label = label;
  return made;
};

/** 128 random bits; works without a secure context. */
export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
