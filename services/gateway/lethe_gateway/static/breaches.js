// The register of breaches: what happened, who has to hear of it by when, and what was done about it.

import { $, announce, call, cell, make, moment, onSubmit, say, tell } from "./lethe.js";
import { code, keepShowing, operator, pill } from "./registers.js";

let isAll = false;
let shown = null;

const urgency = (duty) => (duty.done_at ? pill(say("register.breach.done", { when: moment(duty.done_at) }), "good")
  : duty.is_overdue ? pill(say("request.overdue"), "bad") : duty.is_due_soon ? pill(say("request.soon"), "bad") : pill(say("register.breach.running")));

function row(breach) {
  const open = make("button", { type: "button", textContent: say("request.desk.open") });
  open.onclick = () => load(breach.breach_id);
  const next = breach.is_open ? breach.duties.find((duty) => !duty.done_at) : null;
  return make("tr", {},
    cell(say("register.breach.known"), moment(breach.known_at)), cell(say("js.state"), pill(say(breach.is_open ? "register.breach.is_open" : "register.breach.is_closed"), breach.is_open ? "bad" : "")),
    cell(say("register.breach.next"), next ? make("span", {}, code(next.duty), " ", moment(next.due_at), " ", urgency(next)) : "–"),
    cell(say("register.breach.categories"), breach.categories.join(", ")), cell(say("register.breach.people"), String(breach.people ?? "–"), "number"),
    cell(say("request.desk.open"), open));
}

function stepLine(step) {
  const by = step.operator === "lethe" ? say("request.by.lethe") : step.operator;
  const facts = [say(`register.breach.step.${step.step}`), step.duty ?? "", step.reference ?? "", step.count === null ? "" : say("register.breach.reached", { n: step.count })];
  const line = make("li", {}, make("p", { textContent: `${facts.filter(Boolean).join(" · ")} – ${by}, ${moment(step.at)}` }));
  if (step.text) line.append(make("blockquote", { textContent: step.text }));
  else if (step.has_text) line.append(make("small", { textContent: say("request.sealed") }));
  return line;
}

function show(breach) {
  shown = breach;
  const owed = breach.duties.filter((duty) => !duty.done_at);
  $("breach-id").textContent = breach.breach_id;
  $("breach-facts").textContent = [moment(breach.known_at), breach.categories.join(", "), breach.places.join(", "), breach.people ?? "", breach.is_high_risk ? say("register.breach.risk") : ""].filter((fact) => fact !== "").join(" · ");
  $("breach-duties").replaceChildren(...breach.duties.map((duty) => make("li", {}, code(duty.duty), ` ${duty.says} (${duty.source}) ${moment(duty.due_at)} `, urgency(duty))));
  $("breach-steps").replaceChildren(...breach.steps.map(stepLine));
  $("breach-duty").replaceChildren(...owed.map((duty) => make("option", { textContent: duty.duty })));
  $("breach-deed").hidden = !breach.is_open;
  $("breach").hidden = false;
}

const load = async (id) => show(await call("GET", `/api/registers/breaches/${id}`));

/** What can be chosen; what is chosen already stays so. */
function offer(id, names) {
  const known = [...$(id).options].map((option) => option.value);
  if (known.join() !== names.join()) $(id).replaceChildren(...names.map((name) => make("option", { textContent: name })));
}

async function list() {
  const { breaches, categories } = await call("GET", `/api/registers/breaches?all=${isAll}`);
  offer("breach-categories", Object.keys(categories));
  offer("breach-places", [...new Set(Object.values(categories).flat())].sort());
  $("breach-rows").replaceChildren(...breaches.map(row));
  $("no-breaches").hidden = breaches.length > 0;
}

onSubmit($("breach-form"), async ({ known_at: knownAt, people, text, is_high_risk: risk }, form) => {
  if (!operator()) return;
  const chosen = (id) => [...$(id).selectedOptions].map((option) => option.value);
  const made = await call("POST", "/api/registers/breaches", {
    operator: operator(), known_at: new Date(knownAt).toISOString(), text, is_high_risk: Boolean(risk),
    categories: chosen("breach-categories"), places: chosen("breach-places"), ...(people && { people: Number(people) }),
  });
  form.reset();
  await list();
  await load(made.breach_id);
});

onSubmit($("breach-deed"), async ({ action, duty, reference, accounts, text }, form) => {
  if (!operator()) return;
  const named = accounts.split(/[\s,]+/).filter(Boolean);
  const deed = { operator: operator(), ...(text && { text }), ...(action === "notified" && { duty, reference }),
    ...(action === "tell" && { accounts: named.length ? named : "everybody" }) };
  await call("POST", `/api/registers/breaches/${shown.breach_id}/${action}`, deed);
  form.reset();
  fit();
  tell(form, say(action === "tell" ? "register.breach.telling" : "register.made"), true);
  announce(say("register.made"));
  await Promise.all([list(), load(shown.breach_id)]);
});

/** Only what the chosen deed needs is asked. */
function fit() {
  const action = $("breach-do").value;
  $("breach-notified-row").hidden = action !== "notified";
  $("breach-reference").required = action === "notified";
  $("breach-accounts-row").hidden = action !== "tell";
  $("breach-words").required = action === "note" || action === "tell";
}

if ($("breaches")) {
  $("breach-do").onchange = fit;
  $("all-breaches").onclick = () => {
    isAll = !isAll;
    $("all-breaches").ariaPressed = String(isAll);
    list();
  };
  fit();
  keepShowing(list);
}
