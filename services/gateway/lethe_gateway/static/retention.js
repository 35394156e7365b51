// The console's page of deadlines: what is overdue, what goes when, what the law keeps, what fits nowhere.

import { $, announce, call, cell, language, make, moment, onSubmit, say, sentence, tell } from "./lethe.js";

const REFRESH_MS = 5000;
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
const dayFormat = new Intl.DateTimeFormat(language, { dateStyle: "full", timeZone: "UTC" });
const numbers = new Intl.NumberFormat(language);
let isAll = false;

const pill = (text, kind = "") => make("span", { className: `pill ${kind}`, textContent: text });
const code = (text) => make("code", { textContent: text });

function size(bytes) {
  let step = 0;
  for (; bytes >= 1000 && step < UNITS.length - 1; step += 1) bytes /= 1000;
  return new Intl.NumberFormat(language, { style: "unit", unit: UNITS[step], unitDisplay: "short", maximumFractionDigits: 1 }).format(bytes);
}

function lateFor(seconds) {
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? say("js.hours", { n: hours }) : say("js.days", { n: Math.floor(hours / 24) });
}

async function showCalendar() {
  const { summary, days } = await call("GET", `/api/retention/calendar?days=${$("days").value}`);
  const facts = [
    [say("js.kept"), numbers.format(summary.open)], [say("js.going"), numbers.format(summary.due + summary.removed)],
    [say("js.overdue"), numbers.format(summary.overdue)], [say("js.held_items"), numbers.format(summary.held)],
    [say("js.next"), summary.next_due_at ? moment(summary.next_due_at) : "–"],
  ];
  $("summary").replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }))));
  $("forecast-rows").replaceChildren(...days.map((each) => make("tr", {},
    cell(say("js.day"), dayFormat.format(new Date(each.day))), cell(say("js.category"), code(each.category)),
    cell(say("js.items"), numbers.format(each.count), "number"), cell(say("js.size"), size(each.stored_bytes), "number"))));
  $("no-forecast").hidden = days.length > 0;
}

async function showOverdue() {
  const { counts, items } = await call("GET", "/api/retention/overdue");
  $("overdue-counts").replaceChildren(...counts.map((each) => pill(`${each.category} · ${say(`late.${each.age}`)}: ${numbers.format(each.count)}`, "bad")));
  $("overdue-rows").replaceChildren(...items.map((item) => make("tr", {},
    cell(say("js.generation"), code(item.generation_id)), cell(say("js.category"), code(item.category)), cell(say("js.due"), moment(item.due_at)),
    cell(say("js.late"), lateFor(item.late_seconds)), cell(say("js.state"), pill(say(`late.${item.state}`), "bad")))));
  $("no-overdue").hidden = items.length > 0;
}

async function showOrphans() {
  const { counts, orphans, swept_at: sweptAt } = await call("GET", "/api/retention/orphans");
  $("swept").textContent = sweptAt ? say("js.swept", { when: moment(sweptAt) }) : "";
  $("orphan-counts").replaceChildren(...counts.map((each) => pill(`${say(`orphan.${each.kind}`)} · ${each.place}: ${numbers.format(each.count)}`, "bad")));
  $("orphan-rows").replaceChildren(...orphans.map((one) => make("tr", {},
    cell(say("js.kind"), say(`orphan.${one.kind}`)), cell(say("js.place"), code(one.place)), cell(say("js.name"), code(one.name)),
    cell(say("js.since"), moment(one.first_seen_at)), cell(say("js.asked"), one.asked_at ? moment(one.asked_at) : "–"))));
  $("no-orphans").hidden = orphans.length > 0;
}

async function showHolds() {
  const { holds } = await call("GET", `/api/legal-holds?all=${isAll}`);
  const focused = document.activeElement?.dataset.decision;
  $("hold-list").replaceChildren(...holds.map(holdCard));
  if (focused) document.querySelector(`[data-decision="${focused}"]`)?.focus();
  $("no-holds").hidden = holds.length > 0;
}

const scopeOf = (hold) => hold.generation_id ?? hold.account_id ?? say("hold.forgotten");

function holdCard(hold) {
  const history = hold.steps.map((step) => make("li", { textContent: `${say(`hold.step.${step.step}`)} – ${step.operator}, ${moment(step.at)}` }));
  const facts = [hold.ends_at ? say("hold.until", { when: moment(hold.ends_at) }) : "", hold.waiting ? say("hold.waiting", { n: hold.waiting }) : ""];
  const actions = { proposed: ["approve", "lift"], in_force: ["lift"] }[hold.state] ?? [];
  return make("li", { className: "card stack" },
    make("div", { className: "row between" }, pill(say(`hold.${hold.state}`), hold.state === "in_force" ? "bad" : ""), make("small", { className: "mono", textContent: hold.hold_id })),
    code(scopeOf(hold)), make("p", { textContent: hold.reason ?? "" }), make("small", { textContent: facts.filter(Boolean).join(" · ") }),
    make("ul", {}, ...history), make("div", { className: "row" }, ...actions.map((action) => decision(hold, action))));
}

function decision(hold, action) {
  const name = action === "lift" && hold.state === "proposed" ? "withdraw" : action;
  const button = make("button", { type: "button", className: action === "lift" ? "danger" : "", textContent: say(`hold.do.${name}`) });
  button.dataset.decision = `${action} ${hold.hold_id}`;
  button.onclick = () => {
    $("decide-title").textContent = say(`hold.ask.${name}`);
    $("decide-scope").textContent = scopeOf(hold);
    $("decide-lead").textContent = say(`hold.lead.${name}`);
    $("decide-yes").textContent = say(`hold.do.${name}`);
    $("decide").dataset.path = `/api/legal-holds/${hold.hold_id}/${action}`;
    $("decide-operator").value = "";
    tell($("decide-form"), "");
    $("decide").showModal();
  };
  return button;
}

onSubmit($("decide-form"), async ({ operator }) => {
  const hold = await call("POST", $("decide").dataset.path, { operator });
  $("decide").close();
  announce(say(`hold.${hold.state}`));
  await showHolds();
});

onSubmit($("hold-form"), async ({ scope, operator, reason, ends_at: endsAt }, form) => {
  const hold = { scope, operator, reason, ...(endsAt && { ends_at: new Date(endsAt).toISOString() }) };
  const made = await call("POST", "/api/legal-holds", hold);
  form.reset();
  tell(form, say("hold.made", { id: made.hold_id }), true);
  await showHolds();
});

const show = () => Promise.all([showCalendar(), showOverdue(), showHolds(), showOrphans()]).catch((error) => {
  if (error.status === 401 || error.status === 403) location.reload();
  else announce(sentence(error));
});

if ($("retention")) {
  $("days").onchange = showCalendar;
  $("all-holds").onclick = () => {
    isAll = !isAll;
    $("all-holds").ariaPressed = String(isAll);
    showHolds();
  };
  $("decide").querySelector("[data-do=cancel]").onclick = () => $("decide").close();
  show();
  // What one is deciding about must not move: nothing is refreshed behind an open dialog.
  setInterval(() => !document.hidden && !$("decide").open && show(), REFRESH_MS);
}
