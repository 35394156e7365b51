// The console's rights desk: what is to be answered by when, one request with its dossier, and what is done about it.

import { $, announce, call, cell, make, moment, onSubmit, say, sentence, tell } from "./lethe.js";

const REFRESH_MS = 10000;
const ACTIONS = {
  received: ["check_identity", "refuse"], identity_checked: ["take", "extend", "answer", "refuse"],
  in_progress: ["extend", "answer", "refuse"], extended: ["answer", "refuse"], answered: ["close"], refused: ["close"], closed: [],
};
const IN_WORDS = ["extend", "answer", "refuse", "lift"];
let isAll = false;
let shown = null;

const pill = (text, kind = "") => make("span", { className: `pill ${kind}`, textContent: text });
const code = (text) => make("code", { textContent: text });

const standing = (request) =>
  request.is_overdue ? pill(say("request.overdue"), "bad") : request.is_due_soon ? pill(say("request.soon"), "bad") : null;

function row(request) {
  const open = make("button", { type: "button", textContent: say("request.desk.open") });
  open.onclick = () => load(request.request_id).then(() => $("dossier").scrollIntoView());
  return make("tr", {},
    cell(say("request.desk.due"), make("span", {}, moment(request.due_at), " ", standing(request) ?? "")),
    cell(say("request.what"), say(`request.kind.${request.kind}`)), cell(say("js.state"), pill(say(`request.state.${request.state}`))),
    cell(say("request.desk.received"), moment(request.received_at)), cell(say("console.account"), request.is_correspondent ? make("span", {}, code(request.account_id), make("br"), make("small", { textContent: say("request.desk.correspondent") })) : code(request.account_id ?? "–")),
    cell(say("request.desk.open"), open));
}

async function list() {
  const { requests } = await call("GET", `/api/requests?all=${isAll}`);
  $("desk-rows").replaceChildren(...requests.map(row));
  $("no-desk").hidden = requests.length > 0;
}

function stepLine(step) {
  const by = ["person", "lethe"].includes(step.actor) ? say(`request.by.${step.actor}`) : step.actor;
  const line = make("li", {}, make("p", { textContent: `${say(`request.step.${step.step}`)} – ${by}, ${moment(step.at)}` }));
  if (step.ground) line.append(make("p", { textContent: say(`request.ground.${step.ground}`) }));
  if (step.text) line.append(make("blockquote", { textContent: step.text }));
  else if (step.has_text) line.append(make("small", { textContent: say("request.sealed") }));
  return line;
}

function show(request) {
  shown = request;
  const facts = [
    say("request.received_at", { when: moment(request.received_at) }), say("request.due_at", { when: moment(request.due_at) }),
    request.extends_to ? say("request.extends_to", { when: moment(request.extends_to) }) : "", request.generation_id ?? "",
    request.is_paused ? say("request.paused") : "", request.ends_at ? say("request.deleted_at", { when: moment(request.ends_at) }) : "",
  ];
  $("dossier-title").textContent = say(`request.kind.${request.kind}`);
  $("dossier-id").textContent = request.request_id;
  $("dossier-facts").textContent = facts.filter(Boolean).join(" · ");
  $("dossier-steps").replaceChildren(...request.steps.map(stepLine));
  const actions = ACTIONS[request.state].filter((action) => action !== "extend" || request.extends_to);
  if (request.kind === "restrict" && request.is_paused) actions.push("lift");
  $("dossier-actions").replaceChildren(...actions.map(button));
  $("dossier").hidden = false;
}

const load = async (id) => show(await call("GET", `/api/requests/${id}`));

/** Who acts; without a name nothing is done. */
function operator() {
  const field = $("desk-operator");
  if (field.value.trim().length < 2) field.focus();
  return field.value.trim();
}

function button(action) {
  const made = make("button", { type: "button", className: action === "refuse" ? "danger" : "", textContent: say(`request.do.${action}`) });
  made.onclick = () => {
    if (!operator()) return;
    $("deed-title").textContent = say(`request.do.${action}`);
    $("deed-lead").textContent = say(`request.will.${action}`);
    $("deed-yes").textContent = say(`request.do.${action}`);
    $("deed-ground-row").hidden = action !== "refuse";
    $("deed-text-row").hidden = !IN_WORDS.includes(action);
    $("deed-text").required = IN_WORDS.includes(action);
    $("deed-text").value = "";
    $("deed-video-row").hidden = action !== "answer" || shown.kind !== "depicted";
    $("deed-video").checked = false;
    $("deed").dataset.action = action;
    tell($("deed-form"), "");
    $("deed").showModal();
  };
  return made;
}

onSubmit($("deed-form"), async ({ ground, text }) => {
  const action = $("deed").dataset.action;
  const deed = { operator: operator(), ...(action === "refuse" && { ground }), ...(IN_WORDS.includes(action) && { text }),
    ...($("deed-video").checked && { remove_video: true }) };
  const request = await call("POST", `/api/requests/${shown.request_id}/${action}`, deed);
  $("deed").close();
  announce(say(`request.state.${request.state}`));
  show(request);
  await list();
});

onSubmit($("read-form"), async ({ reason }, form) => {
  if (!operator()) return;
  show(await call("POST", `/api/requests/${shown.request_id}/read`, { operator: operator(), reason }));
  form.reset();
});

const refresh = () => list().catch((error) => {
  if (error.status === 401 || error.status === 403) location.reload();
  else announce(sentence(error));
});

if ($("desk")) {
  $("all-requests").onclick = () => {
    isAll = !isAll;
    $("all-requests").ariaPressed = String(isAll);
    refresh();
  };
  $("deed").querySelector("[data-do=cancel]").onclick = () => $("deed").close();
  refresh();
  // What one is deciding about must not move: nothing is refreshed behind an open dialog.
  setInterval(() => !document.hidden && !$("deed").open && refresh(), REFRESH_MS);
}
