// The register of processors: who receives data, under which contract, and what is entered about it.

import { $, call, cell, language, make, moment, onSubmit, say, tell } from "./lethe.js";
import { keepShowing, operator, pill } from "./registers.js";

// A contract's day is a day everywhere: it is shown in the zone it is written in.
const dayFormat = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
const dayOf = (text) => (text ? dayFormat.format(new Date(text)) : "–");

function standing(one) {
  if (!one.is_open) return pill(say(`register.state.${one.state}`), "bad");
  return one.is_ending ? pill(say("register.ending", { n: one.days_left }), "bad") : pill(say(`register.state.${one.state}`), "good");
}

const row = (one) => make("tr", {},
  cell(say("js.recipient"), make("span", {}, make("strong", { textContent: one.name }), make("br"), make("small", { textContent: `${one.recipient_id} · ${say(`register.role.${one.role}`)} · ${one.country}` }))),
  cell(say("register.contract"), standing(one)), cell(say("register.reference"), one.entry?.reference ?? "–"),
  cell(say("register.ends"), dayOf(one.ends_on)), cell(say("register.subprocessors"), one.entry?.subprocessors || "–"),
  cell(say("register.contact"), one.entry?.contact || "–"),
  cell(say("register.entered"), one.entered ? `${one.entered.operator}, ${moment(one.entered.at)}` : "–"));

async function show() {
  const { processors } = await call("GET", "/api/registers/processors");
  $("processor-rows").replaceChildren(...processors.map(row));
  $("no-processors").hidden = processors.length > 0;
  const known = [...$("processor-id").options].map((option) => option.value).join();
  if (known !== processors.map((one) => one.recipient_id).join()) {
    $("processor-id").replaceChildren(...processors.map((one) => make("option", { value: one.recipient_id, textContent: one.name || one.recipient_id })));
  }
}

onSubmit($("processor-form"), async ({ recipient_id: id, ends_on: endsOn, ...entry }, form) => {
  if (!operator()) return;
  await call("POST", `/api/registers/processors/${id}`, { ...entry, operator: operator(), ...(endsOn && { ends_on: endsOn }) });
  form.reset();
  tell(form, say("register.made"), true);
  await show();
});

if ($("processors")) keepShowing(show);
