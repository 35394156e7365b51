// The register of training: who may be given what people consented to, and how much was given to whom on which day.

import { $, call, cell, make, say } from "./lethe.js";
import { code, keepShowing } from "./registers.js";

function trainer(one) {
  const state = one.refusal ? say("register.training.closed", { why: one.refusal.code }) : say("register.training.open");
  return make("tr", {}, cell(say("register.training.to"), make("span", {}, code(one.id), ` ${one.name}`)), cell(say("register.training.state"), state));
}

function given(one) {
  return make("tr", {},
    cell(say("register.training.day"), one.on_day), cell(say("register.training.to"), code(one.recipient_id)),
    cell(say("register.training.by"), one.operator), cell(say("register.training.items"), String(one.items)));
}

/** Where the policy lets nobody be given anything, and nobody ever was, there is nothing to show. */
async function show() {
  const found = await call("GET", "/api/training");
  $("training").hidden = found.refusal !== null && found.given.length === 0;
  $("trainer-rows").replaceChildren(...found.trainers.map(trainer));
  $("no-trainers").hidden = found.trainers.length > 0;
  $("given-rows").replaceChildren(...found.given.map(given));
  $("nothing-given").hidden = found.given.length > 0;
}

if ($("training")) keepShowing(show);
