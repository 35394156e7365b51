// The register of disclosures: what authorities demand, who approved it, and what was given.

import { $, call, cell, make, moment, onSubmit, say, sentence, tell } from "./lethe.js";
import { code, keepShowing, operator, pill } from "./registers.js";

const ACTIONS = { requested: ["approve", "refuse"], approved: ["disclose", "refuse"], disclosed: [], refused: [] };

function button(one, action) {
  const made = make("button", { type: "button", className: action === "refuse" ? "danger" : "", textContent: say(`register.disclosure.do.${action}`) });
  made.onclick = async () => {
    if (!operator()) return;
    const ground = $("disclosure-ground").value.trim();
    try {
      const answer = await call("POST", `/api/registers/disclosures/${one.disclosure_id}/${action}`, { operator: operator(), ...(action === "refuse" && ground && { ground }) });
      if (answer.package) {
        $("disclosure-package").textContent = JSON.stringify(answer.package, null, 1);
        $("disclosure-package").hidden = false;
      }
      tell($("disclosure-form"), say(`register.disclosure.state.${answer.state}`), true);
    } catch (error) {
      tell($("disclosure-form"), sentence(error));
    }
    await show();
  };
  return made;
}

function row(one) {
  const told = one.is_told ? say("register.disclosure.told") : one.delay_until ? `${say("register.disclosure.until")} ${moment(one.delay_until)}` : "";
  return make("tr", {},
    cell(say("register.disclosure.authority"), one.authority), cell(say("register.disclosure.law"), one.legal_reference),
    cell(say("console.account"), code(one.account_id ?? "–")),
    cell(say("js.state"), make("span", {}, pill(say(`register.disclosure.state.${one.state}`)), " ", make("small", { textContent: told }))),
    cell(say("register.disclosure.approvals"), `${one.approvals} / ${one.approvals_needed}`, "number"),
    cell(say("register.breach.do"), make("div", { className: "row" }, ...ACTIONS[one.state].map((action) => button(one, action)))));
}

async function show() {
  const { disclosures } = await call("GET", "/api/registers/disclosures");
  $("disclosure-rows").replaceChildren(...disclosures.map(row));
  $("no-disclosures").hidden = disclosures.length > 0;
}

onSubmit($("disclosure-form"), async ({ delay_until: until, ground, ...demand }, form) => {
  if (!operator()) return;
  const delay = { ...(until && { delay_until: new Date(until).toISOString() }), ...(ground && { delay_ground: ground }) };
  await call("POST", "/api/registers/disclosures", { ...demand, ...delay, operator: operator() });
  form.reset();
  tell(form, say("register.made"), true);
  await show();
});

if ($("disclosures")) keepShowing(show);
