// The register of acts of destruction: listed without names, each read on purpose.

import { $, call, cell, make, moment, say, sentence, tell } from "./lethe.js";
import { code, keepShowing } from "./registers.js";

function row(one) {
  const read = make("button", { type: "button", textContent: say("register.act.read") });
  read.onclick = async () => {
    try {
      const { texts } = await call("GET", `/api/registers/acts/${one.act_id}`);
      $("act-text").textContent = `${texts.ru}\n\n${texts.en}`;
      $("act-text").hidden = false;
    } catch (error) {
      tell($("acts"), sentence(error));
    }
  };
  return make("tr", {},
    cell(say("register.act"), code(one.act_id)), cell(say("register.act.date"), moment(one.destroyed_at)),
    cell(say("register.act.ground"), say(`register.act.ground.${one.ground}`)), cell(say("register.breach.do"), read));
}

async function show() {
  const { acts } = await call("GET", "/api/registers/acts");
  $("act-rows").replaceChildren(...acts.map(row));
  $("no-acts").hidden = acts.length > 0;
}

if ($("acts")) keepShowing(show);
