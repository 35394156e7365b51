// What people decide: asked at sign-up, at the first use, and changed in the settings. Nothing is ticked beforehand.

import { $, call, day, make, say, sentence, tell } from "./lethe.js";

/** The lines below a question: which data, who receives them, what does not work without. */
function details(asked) {
  const lines = [say("js.consent.data", { what: asked.data.join(", ") })];
  if (asked.recipients.length) lines.push(say("js.consent.recipients", { who: asked.recipients.join(", ") }));
  if (asked.features_lost.length) lines.push(say("js.consent.lost", { what: asked.features_lost.join(", ") }));
  return lines.map((line) => make("small", { textContent: line }));
}

function box(asked, isTicked) {
  const tick = make("input", { type: "checkbox", checked: isTicked });
  tick.dataset.purpose = asked.purpose;
  const words = make("span", { textContent: asked.text, lang: asked.language });
  return [tick, make("div", { className: "asked" }, make("label", { className: "tick" }, tick, words), ...details(asked))];
}

/** A field for what the policy asks of somebody's age; `level` is `min` to come in, `consent` to consent alone. */
function ageField(age, level) {
  const [name, type, words] = age.ask === "birth_year"
    ? ["birth_year", "number", say("js.age.year")]
    : [level === "min" ? "is_of_age" : "may_consent", "checkbox", say("js.age.declared", { n: age[level] })];
  // Not the box of a declaration: one that must be ticked is no question.
  const input = make("input", { type, autocomplete: "off", min: 1900, required: level === "min" && type === "number" });
  input.dataset.age = name;
  const label = make("label", {}, words, " ", input);
  return make("div", {}, label, make("small", { textContent: say("js.age.why", { n: age[level] }) }));
}

/** What the age fields in a place say. */
function ageTold(place) {
  const told = {};
  for (const input of place.querySelectorAll("[data-age]")) {
    if (input.type === "checkbox") told[input.dataset.age] = input.checked;
    else if (input.value) told[input.dataset.age] = Number(input.value);
  }
  return told;
}

// Newcomers: the ways in that the policy offers, and in each form what it asks; the answers go with it.
let version;
async function askNewcomers() {
  const asked = await call("GET", "/v1/sign-up");
  version = asked.policy_version;
  $("with-password").hidden = !asked.ways.includes("password");
  $("as-guest").hidden = !asked.ways.includes("guest");
  if ($("with-external")) $("with-external").hidden = !asked.ways.includes("external");
  for (const place of [$("up-asks"), $("guest-asks"), $("external-asks")].filter(Boolean)) {
    if (asked.age) place.append(ageField(asked.age, "min"));
    if (asked.age?.ask === "declaration" && asked.consents.length && asked.age.consent > asked.age.min) {
      place.append(ageField(asked.age, "consent"));
    }
    for (const consent of asked.consents) {
      const [tick, line] = box(consent, false);
      tick.required = consent.is_condition;
      place.append(line);
    }
  }
}

/** The answers in a newcomer's form, for its body. */
export function answersIn(place) {
  const ticks = [...place.querySelectorAll("[data-purpose]")];
  const consents = Object.fromEntries(ticks.map((tick) => [tick.dataset.purpose, tick.checked]));
  return { consents, policy_version: version, ...ageTold(place) };
}

if ($("up-asks")) askNewcomers().catch((error) => tell($("up"), sentence(error)));

// The settings: each choice counts as soon as it is made.
async function decide(purpose, isAllowed, shown, place) {
  const body = { consents: { [purpose]: isAllowed }, policy_version: shown, ...(isAllowed ? ageTold(place) : {}) };
  return call("PUT", "/v1/privacy/consents", body);
}

function show({ data, policy_version: shown, age }) {
  $("choice-age").replaceChildren(...(age ? [ageField(age, "consent")] : []));
  const rows = data.map((consent) => {
    const [tick, line] = box(consent, consent.is_allowed);
    if (consent.chosen_at) line.append(make("small", { textContent: say("js.consent.since", { day: day(consent.chosen_at) }) }));
    tick.addEventListener("change", async () => {
      tick.disabled = true;
      try {
        show(await decide(consent.purpose, tick.checked, shown, $("choice-age")));
        tell($("choices"), say(tick.checked ? "js.consent.on" : "js.consent.off"), true);
      } catch (error) {
        tell($("choices"), sentence(error));
        tick.checked = !tick.checked;
        tick.disabled = false;
      }
    });
    return make("li", {}, line);
  });
  $("choice-rows").replaceChildren(...rows);
  $("choices").hidden = data.length === 0;
  if (data.some((consent) => consent.purpose === "train_models")) showGiven().catch((error) => tell($("choices"), sentence(error)));
  askAtFirstUse(data, shown, age);
}

/** What a trainer was given of one's own, as long as one consents. */
async function showGiven() {
  const { data, total, since } = await call("GET", "/v1/privacy/training");
  $("given").hidden = total === 0;
  const recipients = [...new Set(data.map((one) => one.recipient))].join(", ");
  if (total) $("given").textContent = say("js.training.given", { count: total, recipients, day: day(since) });
}

/** What is to be asked before its first use and was not answered yet, one at a time, yes and no alike. */
function askAtFirstUse(data, shown, age) {
  const open = data.find((consent) => consent.asked_at === "first_use" && consent.choice === null);
  $("first-use").hidden = !open;
  if (!open) return;
  $("first-use-text").textContent = open.text;
  $("first-use-text").lang = open.language;
  $("first-use-details").replaceChildren(...details(open), ...(age ? [ageField(age, "consent")] : []));
  for (const [id, isAllowed] of [["first-use-no", false], ["first-use-yes", true]]) {
    $(id).onclick = () => decide(open.purpose, isAllowed, shown, $("first-use")).then(show, (error) => tell($("first-use"), sentence(error)));
  }
}

const load = async () => show(await call("GET", "/v1/privacy/consents"));
if ($("choices")) load().catch((error) => tell($("choices"), sentence(error)));
