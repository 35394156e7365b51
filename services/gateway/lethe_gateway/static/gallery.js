// The gallery: a card for each video, followed while it runs, played, deleted.

import { $, announce, ask, call, day, daysLeft, make, meaning, say, sentence, setOffline } from "./lethe.js";

const PAGE = 24;
const STREAMS = 3; // browsers open six connections to a host; some must stay free
const cards = new Map();
let lastId = null;

export function put(video, isNew = false) {
  let card = cards.get(video.id);
  if (!card) {
    const element = $("card").content.firstElementChild.cloneNode(true);
    card = { element, part: (name) => element.querySelector(`[data-is=${name}]`), screen: element.querySelector(".screen") };
    cards.set(video.id, card);
    if (isNew) $("gallery").prepend(element);
    else $("gallery").append(element);
  }
  card.video = { ...card.video, ...video, prompt: video.prompt ?? card.video?.prompt };
  draw(card);
  $("empty").hidden = true;
  // At once: a quick model is done before the slow look comes by.
  if (isNew) follow();
}

function draw(card) {
  const { video } = card;
  card.part("prompt").textContent = video.prompt ?? say("card.no_prompt");
  card.part("prompt").title = video.prompt ?? "";
  card.part("facts").textContent = [video.size.replace("x", "×"), say("js.seconds", { n: Number(video.seconds) }), moneyOf(video)].join(" · ");
  card.part("kept").textContent = video.expires_at ? say("card.deleted_on", { day: day(video.expires_at), n: daysLeft(video.expires_at) }) : "";
  if (card.drawn !== video.status) {
    card.drawn = video.status;
    card.screen.replaceChildren(...screenOf(card));
    card.part("actions").replaceChildren(...actionsOf(card));
  }
}

/** What the ledger says; until it has spoken, that it has not. */
function moneyOf(video) {
  if (isRunning(video)) return say("card.held", { n: video.credits_held });
  if (typeof video.credits_charged !== "number") return say("card.settling");
  return video.credits_charged ? say("card.charged", { n: video.credits_charged }) : say("card.not_charged");
}

const isRunning = (video) => video.status === "queued" || video.status === "in_progress";

function screenOf(card) {
  const { video } = card;
  if (video.status === "completed") return [poster(card), playButton(card)];
  if (video.status === "failed") return [make("p", { className: "wait", textContent: video.error ? meaning(video.error.code, video.error.message) : say("state.failed") })];
  card.bar = make("progress", { max: 100, ariaLabel: say("card.progress") });
  card.line = make("span", { textContent: say(`state.${video.status}`) });
  return [make("div", { className: "wait" }, card.bar, card.line)];
}

const contentOf = (video, variant) => `/v1/videos/${video.id}/content?variant=${variant}`;

function poster(card) {
  const image = make("img", { alt: "", loading: "lazy", src: contentOf(card.video, "thumbnail") });
  image.onerror = () => image.remove();
  return image;
}

function playButton(card) {
  const button = make("button", { type: "button", className: "play", ariaLabel: say("card.play") });
  button.onclick = () => {
    const player = make("video", { controls: true, autoplay: true, loop: true, playsInline: true, src: contentOf(card.video, "video") });
    card.screen.replaceChildren(player);
    player.focus();
  };
  return button;
}

function actionsOf(card) {
  const { video } = card;
  const actions = [];
  if (video.status === "completed") {
    actions.push(make("a", { className: "button", href: contentOf(video, "video"), download: `${video.id}.mp4`, textContent: say("card.download") }));
  }
  if (isRunning(video)) actions.push(button("card.cancel", () => call("POST", `/v1/videos/${video.id}/cancel`)));
  actions.push(button("card.delete", () => remove(card), "danger"));
  return actions;
}

function button(key, action, className = "") {
  const made = make("button", { type: "button", className, textContent: say(key) });
  made.onclick = async () => {
    made.disabled = true;
    try {
      await action();
    } catch (error) {
      announce(sentence(error));
      made.after(make("small", { className: "said", textContent: sentence(error) }));
    } finally {
      made.disabled = false;
    }
  };
  return made;
}

async function remove(card) {
  const { video } = card;
  const list = [say("card.delete.lost"), $("horizon").textContent];
  if (isRunning(video)) list.push(say("card.delete.running"));
  else if (video.credits_charged) list.push(say("card.delete.credits"));
  if (!(await ask({ title: say("card.delete.title"), lead: (video.prompt ?? "").slice(0, 160), list, yes: say("card.delete.do") }))) return;
  card.element.classList.add("leaving");
  for (let tries = 0; tries < 30; tries += 1) {
    card.part("kept").textContent = say("card.removing");
    const answer = await call("DELETE", `/v1/videos/${video.id}`);
    if (answer.deleted) return gone(card, say("card.removed"));
    if (answer.reason === "legal_hold") return gone(card, say("card.held_by_law"));
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  card.part("kept").textContent = say("card.not_finished");
}

function gone(card, text) {
  cards.delete(card.video.id);
  card.part("kept").textContent = text;
  card.part("actions").replaceChildren();
  announce(text);
  setTimeout(() => card.element.classList.add("going"), 2500);
  setTimeout(() => {
    card.element.remove();
    $("empty").hidden = cards.size > 0;
  }, 3000);
}

// Following what runs: a few streams, a slow look at the rest

const streams = new Map();

function follow() {
  const running = [...cards.values()].filter((card) => isRunning(card.video) && !streams.has(card.video.id)).reverse();
  for (const card of running.slice(0, Math.max(0, STREAMS - streams.size))) listen(card);
}

function listen(card) {
  const { id } = card.video;
  const stream = new EventSource(`/v1/videos/${id}/events`);
  streams.set(id, stream);
  const end = () => {
    stream.close();
    streams.delete(id);
  };
  stream.onopen = () => setOffline(false);
  stream.onerror = () => (stream.readyState === EventSource.CLOSED ? end() : setOffline(true));
  stream.addEventListener("progress", (event) => progress(card, JSON.parse(event.data)));
  stream.addEventListener("video", (event) => {
    settle(card, JSON.parse(event.data));
    if (!isRunning(card.video)) end();
  });
  stream.addEventListener("gone", () => {
    end();
    if (cards.has(id)) gone(card, say("card.removed"));
  });
}

function progress(card, { progress: percent, position, eta_seconds: eta }) {
  if (!card.bar) return;
  if (percent) card.bar.value = percent;
  const place = position ? say("card.place", { n: position }) : percent ? `${percent} %` : say(`state.${card.video.status}`);
  card.line.textContent = eta ? `${place} · ${say("card.eta", { n: eta })}` : place;
  announce(card.line.textContent, true);
}

function settle(card, video) {
  const wasRunning = isRunning(card.video);
  put(video);
  if (isRunning(card.video)) {
    progress(card, { progress: video.progress });
    return;
  }
  if (!wasRunning) return;
  announce(say(`state.${video.status}`));
  if (document.hidden) document.title = `✓ ${say(`state.${video.status}`)} – Lethe`;
  document.dispatchEvent(new Event("settled"));
  follow();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.title = "Lethe";
});

/** The polling fall-back: what no stream follows, what the ledger or the deadline is still missing of, what has expired. */
async function look() {
  follow();
  const isClocked = $("gallery").dataset.clocked === "true";
  for (const card of cards.values()) {
    const { video } = card;
    const isBare = !isRunning(video) && (typeof video.credits_charged !== "number" || (isClocked && video.status === "completed" && !video.expires_at));
    const isOver = video.expires_at && video.expires_at * 1000 < Date.now();
    if (!((isRunning(video) && !streams.has(video.id)) || isBare || isOver)) continue;
    try {
      settle(card, await call("GET", `/v1/videos/${video.id}`));
    } catch (error) {
      if (error.status === 404 || error.status === 410) gone(card, say("card.removed"));
      else throw error;
    }
  }
}

export async function loadPage() {
  const after = lastId ? `&after=${lastId}` : "";
  const page = await call("GET", `/v1/videos?limit=${PAGE}${after}`);
  for (const video of page.data) put(video);
  lastId = page.last_id ?? lastId;
  $("more").hidden = !page.has_more;
  $("empty").hidden = cards.size > 0;
  $("gallery").ariaBusy = "false";
  follow();
}

$("more").onclick = () => loadPage();
setInterval(() => look().catch(() => {}), 4000);
