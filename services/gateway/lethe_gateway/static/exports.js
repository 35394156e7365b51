// Copies of everything that is kept of the person: asked for, followed while they are packed, downloaded, deleted.

import { $, announce, call, day, language, make, say, sentence, tell } from "./lethe.js";

const LOOK_MS = 2000;
const STEPS = ["byte", "kilobyte", "megabyte", "gigabyte"];
let looking = null;

function size(bytes) {
  let step = 0;
  let left = bytes;
  while (left >= 1000 && step < STEPS.length - 1) {
    left /= 1000;
    step += 1;
  }
  return new Intl.NumberFormat(language, { style: "unit", unit: STEPS[step], maximumFractionDigits: 1 }).format(left);
}

function state(copy) {
  if (copy.state === "ready") return say("js.export.ready", { size: size(copy.size_bytes), day: day(copy.expires_at) });
  return copy.state === "removing" ? say("js.export.removing") : say("js.export.packing", { size: size(copy.packed_bytes) });
}

function entry(copy) {
  const item = make("li", { className: "stack" }, make("span", { textContent: state(copy) }));
  if (copy.state !== "ready") return item;
  const download = make("a", { href: `/v1/account/export/${copy.id}/content`, textContent: say("js.export.download") });
  download.setAttribute("download", `${copy.id}.zip`);
  const remove = make("button", { type: "button", textContent: say("js.export.remove") });
  remove.onclick = async () => {
    remove.disabled = true;
    try {
      await call("DELETE", `/v1/account/export/${copy.id}`);
      announce(say("js.export.removed"));
      await show();
    } catch (error) {
      remove.disabled = false;
      tell($("export"), sentence(error));
    }
  };
  item.append(make("span", { className: "row" }, download, remove));
  return item;
}

async function show() {
  const { data } = await call("GET", "/v1/account/export");
  $("exports").replaceChildren(...data.map(entry));
  const isPacking = data.some((copy) => copy.state === "in_progress");
  if ($("make-export").disabled && !isPacking) tell($("export"), "");
  $("make-export").disabled = isPacking;
  clearTimeout(looking);
  if (data.some((copy) => copy.state !== "ready")) looking = setTimeout(() => show().catch(() => {}), LOOK_MS);
}

if ($("export")) {
  show().catch(() => {});
  $("make-export").onclick = async () => {
    $("make-export").disabled = true;
    try {
      await call("POST", "/v1/account/export");
      tell($("export"), say("js.export.asked"), true);
      await show();
    } catch (error) {
      $("make-export").disabled = false;
      tell($("export"), sentence(error));
    }
  };
}
