// What people ask for by right: filing a request, and following it step by step.

import { $, announce, ask, call, language, make, onSubmit, say, sentence, tell } from "./lethe.js";

const momentFormat = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const at = (seconds) => momentFormat.format(new Date(seconds * 1000));
const pill = (text, kind = "") => make("span", { className: `pill ${kind}`, textContent: text });
const DECIDED = { object: "objection", withdraw: "consent" };

function stepLine(step) {
  const line = make("li", {}, make("p", { textContent: `${say(`request.step.${step.step}`)} – ${say(`request.by.${step.by}`)}, ${at(step.at)}` }));
  if (step.ground) line.append(make("p", { textContent: say(`request.ground.${step.ground}`) }));
  if (step.text) line.append(make("blockquote", { textContent: step.text }));
  return line;
}

/** What a person may do about their own request: `lift` a restriction, `close` what is not decided yet. */
function deed(request, name, done) {
  const button = make("button", { type: "button", textContent: say(`request.${name}`) });
  button.onclick = async () => {
    if (!(await ask({ title: say(`request.${name}.title`), lead: say(`request.${name}.lead`), yes: say(`request.${name}`) }))) return;
    try {
      await call("POST", `/v1/privacy/requests/${request.id}/${name}`);
      announce(say(`request.step.${done}`));
      await show();
    } catch (error) {
      tell($("request-form"), sentence(error));
    }
  };
  return button;
}

function card(request) {
  const isOpen = !["answered", "refused", "closed"].includes(request.state);
  const facts = [
    say("request.received_at", { when: at(request.received_at) }),
    isOpen ? say("request.due_at", { when: at(request.due_at) }) : "",
    request.deleted_at ? say("request.deleted_at", { when: at(request.deleted_at) }) : "",
  ];
  const dossier = make("details", {}, make("summary", { textContent: say("request.steps") }));
  dossier.ontoggle = async () => {
    if (!dossier.open || dossier.children.length > 1) return;
    const whole = await call("GET", `/v1/privacy/requests/${request.id}`).catch((error) => tell($("request-form"), sentence(error)));
    if (whole) dossier.append(make("ul", {}, ...whole.steps.map(stepLine)));
  };
  return make("li", { className: "card stack" },
    make("div", { className: "row between" }, make("strong", { textContent: say(`request.kind.${request.kind}`) }),
      pill(say(`request.state.${request.state}`), request.is_overdue ? "bad" : "")),
    make("small", { textContent: facts.filter(Boolean).join(" · ") }),
    request.is_restricting ? make("p", { textContent: say("request.restricting") }) : null, dossier,
    request.is_restricting ? deed(request, "lift", "lifted") : null, isOpen ? deed(request, "close", "closed") : null);
}

async function show() {
  const { data } = await call("GET", "/v1/privacy/requests");
  $("request-list").replaceChildren(...data.map(card));
  $("no-requests").hidden = data.length > 0;
}

/** The purposes an objection or a withdrawal can be about; each is ended the moment it is sent. */
async function showPurposes(kind) {
  const { data } = kind in DECIDED ? await call("GET", "/v1/privacy/consents") : { data: [] };
  const about = data.filter((one) => one.kind === DECIDED[kind] && one.is_allowed);
  $("request-purposes").hidden = about.length === 0;
  for (const old of $("request-purposes").querySelectorAll("label")) old.remove();
  $("request-purposes").append(...about.map((one) => make("label", { className: "tick" },
    make("input", { type: "checkbox", value: one.purpose }), make("span", { textContent: one.text, lang: one.language }))));
}

async function choose() {
  const kind = $("request-kind").value;
  $("request-about").textContent = say(`request.about.${kind}`);
  $("request-video-row").hidden = kind !== "depicted";
  $("request-email-row").hidden = kind !== "correct";
  $("request-video").required = kind === "depicted";
  await showPurposes(kind).catch((error) => tell($("request-form"), sentence(error)));
}

onSubmit($("request-form"), async ({ kind, text, video, email }, form) => {
  if (kind === "erase" && !(await ask({ title: say("request.erase.title"), lead: say("request.erase.lead"), yes: say("request.kind.erase") }))) return;
  const purposes = [...$("request-purposes").querySelectorAll("input:checked")].map((tick) => tick.value);
  const made = await call("POST", "/v1/privacy/requests", {
    kind, ...(text.trim() && { text }), ...(kind === "depicted" && { video }), ...(kind === "correct" && email && { email }), ...(purposes.length && { purposes }),
  });
  if (made.erasure) {
    location.assign(made.erasure.link);
    return;
  }
  form.reset();
  await choose();
  const said = made.state === "answered" ? "request.done" : kind === "correct" && email ? "request.mailed" : "request.sent";
  tell(form, say(said, { when: at(made.due_at) }), true);
  await show();
});

if ($("requests")) {
  $("request-kind").onchange = choose;
  choose();
  show().catch((error) => tell($("request-form"), sentence(error)));
}
