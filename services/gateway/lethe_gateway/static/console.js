// The operator's console: how services are, what runs, what is parked, what may not go out, whether the books balance.

import { $, announce, call, cell, language, make, moment, onSubmit, say, sentence, tell } from "./lethe.js";

const REFRESH_MS = 3000;
const STATES = ["queued", "leased", "submitting", "submitted", "submit_unknown", "rendering", "storing", "completed", "failed", "cancelled"];

onSubmit($("operator"), async (given) => {
  await call("POST", "/api/session", given);
  location.reload();
});

const pill = (text, kind = "") => make("span", { className: `pill ${kind}`, textContent: text });
const stateName = (state) => say(`run.${state}`);
const stateKind = (state) => ({ completed: "good", failed: "bad", submit_unknown: "bad" })[state] ?? "";

async function showHealth() {
  const { services } = await call("GET", "/api/health");
  const rows = services.map((known) => {
    const answer = known.is_answering ? pill(say("js.answers"), "good") : pill(say("js.silent"), "bad");
    const parked = known.is_answering ? pill(String(known.parked), known.parked ? "bad" : "") : "–";
    return make("tr", {},
      cell(say("js.service"), make("strong", { textContent: known.service })), cell(say("js.answer"), answer),
      cell(say("js.outbox"), String(known.outbox_pending ?? "–"), "number"), cell(say("js.parked"), parked, "number"),
      cell(say("js.policy"), make("code", { textContent: (known.policy_hash ?? "–").slice(0, 12) })),
      cell(say("js.policy_time"), known.policy_time ? moment(known.policy_time) : "–"));
  });
  $("health").replaceChildren(...rows);
}

async function showRuns() {
  const state = $("state").value;
  const known = await call("GET", `/api/runs?limit=50${state ? `&state=${state}` : ""}`);
  const counted = Object.entries(known.by_state).sort(([a], [b]) => STATES.indexOf(a) - STATES.indexOf(b));
  $("counts").replaceChildren(...counted.map(([name, count]) => make("div", {}, make("dt", { textContent: stateName(name) }), make("dd", { textContent: count }))));
  $("counted").textContent = say("js.counted", { count: known.newest.toLocaleString(language) });
  $("run-rows").replaceChildren(...known.runs.map((run) => make("tr", {},
    cell(say("js.generation"), make("code", { textContent: run.generation_id })), cell(say("js.state"), pill(stateName(run.state), stateKind(run.state))),
    cell(say("js.model"), run.model), cell(say("js.attempts"), String(run.attempts), "number"), cell(say("js.cause"), run.last_cause ?? "–"),
    cell(say("js.queued"), moment(run.queued_at)), cell(say("js.updated"), moment(run.updated_at)))));
  $("no-runs").hidden = known.runs.length > 0;
}

async function showParked() {
  const { services } = await call("GET", "/api/parked");
  const rows = services.flatMap(({ service, parked }) => parked.map((message) => parkedRow(service, message)));
  // A replay in progress keeps its row: what one is about to press must not move away.
  if (document.querySelector("#parked-rows button:disabled")) return;
  const focused = document.activeElement?.dataset.parked;
  $("parked-rows").replaceChildren(...rows);
  if (focused) document.querySelector(`[data-parked="${focused}"]`)?.focus();
  $("no-parked").hidden = rows.length > 0;
}

function parkedRow(service, message) {
  const replay = make("button", { type: "button", textContent: say("js.replay") });
  replay.dataset.parked = message.parked_id;
  replay.setAttribute("aria-label", `${say("js.replay")} ${message.subject} ${message.parked_id}`);
  replay.onclick = async () => {
    replay.disabled = true;
    let text = "";
    let isHandled = false;
    try {
      const answer = await call("POST", `/api/parked/${service}/${message.parked_id}/replay`);
      isHandled = answer.handled;
      text = isHandled ? say("js.replayed", { what: message.subject }) : say("js.still_parked", { error: answer.error ?? "" });
    } catch (error) {
      text = sentence(error);
    }
    replay.disabled = false;
    tell($("parked"), text, isHandled);
    announce(text);
    await showParked();
  };
  return make("tr", {},
    cell(say("js.service"), service), cell(say("js.subject"), make("span", {}, make("code", { textContent: message.subject }), make("br"), make("small", { className: "mono", textContent: message.parked_id }))),
    cell(say("js.error"), message.error), cell(say("js.deliveries"), String(message.deliveries), "number"),
    cell(say("js.since"), moment(message.parked_at)), cell("", replay));
}

async function showRefused() {
  const { services } = await call("GET", "/api/egress");
  const rows = services.flatMap(({ service, refusals }) => refusals.map((refused) => make("tr", {},
    cell(say("js.service"), service), cell(say("js.recipient"), refused.recipient), cell(say("js.purpose"), refused.purpose || "–"),
    cell(say("js.reason"), say(`refused.${refused.reason}`)), cell(say("js.since"), moment(refused.at)))));
  $("egress-rows").replaceChildren(...rows);
  $("no-egress").hidden = rows.length > 0;
}

async function showStatistics() {
  const { spans } = await call("GET", "/api/statistics");
  const rows = spans.flatMap((span) => span.groups.map((group) => make("tr", {},
    cell(say("js.span"), `${moment(span.began_at)} – ${moment(span.ended_at)}`), cell(say("js.model"), group.model),
    cell(say("js.pixels"), `${group.width_px} × ${group.height_px}`), cell(say("js.videos"), `≈ ${group.videos}`, "number"))));
  $("statistics-rows").replaceChildren(...rows);
  $("no-statistics").hidden = rows.length > 0;
}

async function verifyLedger() {
  $("verify-ledger").disabled = true;
  try {
    const books = await call("POST", "/api/ledger/verify");
    const verdict = make("p", { className: books.is_balanced ? "said good" : "said", textContent: say(books.is_balanced ? "js.balanced" : "js.unbalanced") });
    const facts = make("p", { className: "soft", textContent: say("js.books", books) });
    const differences = make("ul", {}, ...books.differences.map((line) => make("li", { className: "mono", textContent: line })));
    $("ledger-result").replaceChildren(make("div", { className: "stack" }, verdict, facts, differences));
  } catch (error) {
    $("ledger-result").replaceChildren(make("p", { className: "said", textContent: sentence(error) }));
  } finally {
    $("verify-ledger").disabled = false;
  }
}

onSubmit($("plan-form"), async ({ account_id: accountId, plan }, form) => {
  await call("POST", `/api/accounts/${encodeURIComponent(accountId)}/plan`, { plan });
  tell(form, say("js.plan_changed"), true);
});

if ($("console")) {
  let isPaused = false;
  const show = () => Promise.all([showHealth(), showRuns(), showParked(), showRefused()]).catch((error) => {
    if (error.status === 401 || error.status === 403) location.reload();
  });
  $("state").append(...STATES.map((state) => make("option", { value: state, textContent: stateName(state) })));
  $("state").value = new URLSearchParams(location.search).get("state") ?? "";
  $("state").onchange = () => {
    const address = new URL(location.href);
    if ($("state").value) address.searchParams.set("state", $("state").value);
    else address.searchParams.delete("state");
    history.replaceState(null, "", address);
    showRuns();
  };
  $("pause").onclick = () => {
    isPaused = !isPaused;
    $("pause").ariaPressed = String(isPaused);
    $("pause").textContent = say(isPaused ? "js.resume" : "js.pause");
  };
  $("verify-ledger").onclick = verifyLedger;
  $("operator-out").onclick = async () => {
    await call("DELETE", "/api/session");
    location.reload();
  };
  show();
  // Made once for each span: it does not change while one looks.
  showStatistics().catch((error) => announce(sentence(error)));
  setInterval(() => !isPaused && !document.hidden && show(), REFRESH_MS);
}
