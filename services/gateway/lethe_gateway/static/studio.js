// Composing an order: model, price, reference; and what credits are there.

import { $, announce, call, cell, day, language, make, randomKey, say, sentence, tell } from "./lethe.js";
import { loadPage, put } from "./gallery.js";

const models = new Map();
let quote = null;
// The order whose answer is not known, with its key: sent again it goes under the same one, and cannot be charged twice.
let sent = null;
let reference = null;

const options = (values, name) => values.map((value) => make("option", { value, textContent: name(value) }));
const shape = (size) => {
  const [width, height] = size.split("x").map(Number);
  return `${width}×${height} ${say(width >= height ? "js.wide" : "js.tall")}`;
};

async function loadModels() {
  const { data } = await call("GET", "/v1/models");
  for (const model of data) models.set(model.id, model);
  $("model").replaceChildren(...options(data.map((model) => model.id), (id) => `${id} – ${models.get(id).label}`));
  $("model").value = (data.find((model) => model.is_default) ?? data[0]).id;
  offerSizes();
}

function offerSizes() {
  const model = models.get($("model").value);
  $("size").replaceChildren(...options(model.sizes, shape));
  $("seconds").replaceChildren(...options(model.seconds, (n) => say("js.seconds", { n })));
  $("processor").textContent = say(model.owned_by === "local" ? "js.processed_here" : "js.processed_by", { who: model.owned_by });
  price();
}

let priceNumber = 0;
async function price() {
  const number = ++priceNumber;
  // The price on show is for the order before this one: nothing is sent until the new one binds.
  quote = null;
  $("create").disabled = true;
  const wanted = { model: $("model").value, size: $("size").value, seconds: Number($("seconds").value) };
  try {
    const answer = await call("POST", "/v1/quotes", wanted);
    if (number !== priceNumber) return;
    quote = answer;
    const strong = make("strong", { textContent: say("js.credits", { n: answer.credits }) });
    $("price").replaceChildren(strong, ` ${say(answer.is_affordable ? "js.of" : "js.short", { n: answer.available })}`);
    $("create").disabled = !answer.is_affordable;
  } catch (error) {
    if (number === priceNumber) $("price").textContent = sentence(error);
  }
}

function setReference(file) {
  if (reference) URL.revokeObjectURL($("preview").querySelector("img").src);
  reference = file;
  $("drop").hidden = Boolean(file);
  $("preview").hidden = !file;
  if (file) $("preview").querySelector("img").src = URL.createObjectURL(file);
  else $("reference").value = "";
}

async function create(event) {
  event.preventDefault();
  const fields = ["prompt", "model", "size", "seconds"].map((name) => [name, $(name).value]);
  const order = JSON.stringify(fields);
  if (sent?.order !== order || sent.reference !== reference) sent = { order, reference, key: randomKey() };
  const form = new FormData();
  for (const [name, value] of fields) form.set(name, value);
  if (quote && quote.expires_at * 1000 > Date.now() + 5000) form.set("quote_id", quote.id);
  if (reference) form.set("input_reference", reference, "reference");
  tell($("composer"), "");
  $("create").disabled = true;
  try {
    const video = await call("POST", "/v1/videos", form, { "Idempotency-Key": sent.key });
    sent = null;
    setReference(null);
    put(video, true);
    announce(say("js.accepted"));
    await Promise.all([price(), showCredits()]);
  } catch (error) {
    // A refusal is an answer. Without one, or when something was away, the order may have been accepted.
    if (error.status < 500) sent = null;
    tell($("composer"), sentence(error));
    await price();
  } finally {
    // Whoever has no credits left for another order may still ask again for this one.
    $("create").disabled = !quote?.is_affordable && !sent;
  }
}

async function showCredits() {
  const known = await call("GET", "/v1/credits");
  $("available").textContent = new Intl.NumberFormat(language).format(known.available);
  $("held").textContent = known.held ? say("js.held", { n: known.held }) : "";
  const rows = known.grants.map((grant) =>
    make("tr", {}, cell(say("js.source"), say(`source.${grant.source}`)), cell(say("js.left"), `${grant.remaining} / ${grant.amount}`, "number"), cell(say("js.expires"), grant.expires_at ? day(grant.expires_at) : say("js.no_expiry"))),
  );
  $("grants").replaceChildren(...rows);
}

$("model").onchange = offerSizes;
$("size").onchange = $("seconds").onchange = price;
$("composer").onsubmit = create;
$("reference").onchange = (event) => setReference(event.target.files[0] ?? null);
$("drop-reference").onclick = () => setReference(null);
for (const chip of document.querySelectorAll("[data-preset]")) {
  chip.onclick = () => {
    $("prompt").value = chip.dataset.preset;
    $("prompt").focus();
  };
}
for (const [name, isOver] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
  $("drop").addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", isOver);
    if (name === "drop" && event.dataTransfer.files[0]?.type.startsWith("image/")) setReference(event.dataTransfer.files[0]);
  });
}

const failed = (error) => (error.status === 401 ? location.reload() : tell($("composer"), sentence(error)));
Promise.all([loadModels(), loadPage(), showCredits()]).catch(failed);
document.addEventListener("settled", () => Promise.all([price(), showCredits()]).catch(() => {}));
