// Coming in, going out, new passwords, erasure. Each part works on the page that has its form.

import { answersIn } from "./consents.js";
import { $, call, cell, day, make, moment, onSubmit, say, sentence, showSecret, ask, tell } from "./lethe.js";

const fragment = location.hash.slice(1);
if ($("reset") || $("verify") || $("address") || $("unsubscribe") || $("letter-link")) {
  // A secret that works once leaves the address bar and the history; an erasure's is to be kept.
  history.replaceState(null, "", location.pathname);
}
for (const link of document.querySelectorAll("a[hreflang]")) link.hash = $("erasure") ? fragment : "";

onSubmit($("up"), async (given) => {
  const opened = await call("POST", "/v1/accounts", { ...given, ...answersIn($("up-asks")) });
  await showSecret(opened.api_key.key);
  await call("POST", "/v1/sessions", given);
  location.reload();
});

onSubmit($("guest"), async () => {
  const opened = await call("POST", "/v1/guests", answersIn($("guest-asks")));
  await showSecret(opened.api_key.key);
  location.reload();
});

// The provider's own page comes next; who comes back from it is signed in.
onSubmit($("external-up"), async () => {
  location.href = (await call("POST", "/v1/external", answersIn($("external-asks")))).url;
});

onSubmit($("external-in"), async () => {
  location.href = (await call("POST", "/v1/external")).url;
});

onSubmit($("in"), async (given) => {
  await call("POST", "/v1/sessions", given);
  location.reload();
});

onSubmit($("forgot"), async (given, form) => {
  await call("POST", "/v1/password-resets", given);
  tell(form, say("js.reset_sent"), true);
});

onSubmit($("reset"), async (given, form) => {
  await call("POST", "/v1/password-resets/confirm", { token: fragment, password: given.password });
  tell(form, say("js.reset_done"), true);
});

onSubmit($("verify"), async (_given, form) => {
  await call("POST", "/v1/email-verifications", { token: fragment });
  tell(form, say("js.verified"), true);
});

onSubmit($("address"), async (_given, form) => {
  await call("POST", "/v1/address-changes", { token: fragment });
  tell(form, say("js.address_changed"), true);
});

onSubmit($("letters"), async (given, form) => {
  await call("POST", "/v1/privacy/links", given);
  tell(form, say("js.letter_sent"), true);
});

onSubmit($("letter-link"), async (given) => {
  await call("POST", "/v1/privacy/links/confirm", { token: fragment, ...(given.fact ? { fact: given.fact } : {}) });
  location.href = "/requests";
});

onSubmit($("unsubscribe"), async (_given, form) => {
  await call("POST", `/v1/unsubscribe/${encodeURIComponent(fragment)}`);
  tell(form, say("js.unsubscribed"), true);
});

const tabs = [...document.querySelectorAll("[role=tab]")];
function choose(chosen) {
  for (const tab of tabs) {
    const isChosen = tab === chosen;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !isChosen;
  }
}
for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(place + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
}

$("sign-out")?.addEventListener("click", async () => {
  await call("DELETE", "/v1/sessions");
  location.href = "/";
});

// The account's panels in the studio.
async function showKeys() {
  const { data } = await call("GET", "/v1/api-keys");
  const rows = data.map((key) => {
    const revoke = make("button", { type: "button", className: "danger", textContent: say("js.revoke") });
    revoke.setAttribute("aria-label", `${say("js.revoke")} ${key.id}`);
    revoke.onclick = async () => {
      const isMeant = await ask({ title: say("js.revoke.title"), lead: say("js.revoke.lead"), list: [key.id], yes: say("js.revoke") });
      if (!isMeant) return;
      await call("DELETE", `/v1/api-keys/${key.id}`);
      await showKeys();
    };
    const used = key.last_used_on ? day(Date.parse(key.last_used_on) / 1000) : say("js.never");
    const name = make("span", {}, make("code", { textContent: `…${key.id.slice(-8)}`, title: key.id }), make("br"), make("small", { textContent: day(key.created_at) }));
    return make("tr", {}, cell(say("js.key"), name), cell(say("js.used"), used), cell("", revoke));
  });
  $("key-rows").replaceChildren(...rows);
}

async function showAccount() {
  const account = await call("GET", "/v1/account");
  const name = account.email ?? account.id;
  $("email").textContent = name;
  $("erase-email").textContent = name;
  $("plan").textContent = account.plan;
  const kept = JSON.parse($("plan-kept").dataset.kept)[account.plan];
  if (kept !== undefined) $("plan-kept").textContent = kept;
}

if ($("keys")) {
  showKeys().catch((error) => tell($("keys"), sentence(error)));
  showAccount().catch(() => {});
  $("make-key").onclick = async () => {
    try {
      await showSecret((await call("POST", "/v1/api-keys")).key);
      await showKeys();
    } catch (error) {
      tell($("keys"), sentence(error));
    }
  };
  const dialog = $("erase-dialog");
  const [cancel, erase] = dialog.querySelectorAll("button");
  $("erase").onclick = () => dialog.showModal();
  cancel.onclick = () => dialog.close();
  $("erase-typed").oninput = (event) => {
    erase.disabled = event.target.value.trim() !== $("erase-email").textContent;
  };
  onSubmit($("erase-form"), async (_given, form) => {
    tell(form, say("js.erasing"), true);
    const erasure = await call("DELETE", "/v1/account");
    location.href = erasure.link;
  });
}

// The erasure's own page: follow it until its certificate is there.
async function follow(claim) {
  const known = await call("POST", "/v1/erasures/status", { claim });
  const when = known.requested_at ? moment(known.requested_at * 1000) : "";
  $("erasure-state").textContent = known.state === "held" ? say("js.erasure_held", { when }) : say(known.certificate ? "js.erased" : "js.erasure_runs", { when });
  if (!known.certificate) {
    setTimeout(() => follow(claim).catch(failed), known.state === "held" ? 60000 : 2000);
    return;
  }
  if (known.unreadable_by) $("erasure-horizon").textContent = say("js.unreadable_by", { when: moment(known.unreadable_by * 1000) });
  if (known.final_certificate) {
    $("erasure-horizon").textContent = say("js.erasure_final");
    $("final-certificate").hidden = false;
    $("final-certificate").href = saved(JSON.stringify(known.final_certificate, null, 2));
  }
  const text = JSON.stringify(known.certificate, null, 2);
  const box = $("certificate");
  box.hidden = false;
  box.querySelector("pre").textContent = text;
  box.querySelector("a").href = saved(text);
}
function saved(text) {
  return URL.createObjectURL(new Blob([text], { type: "application/json" }));
}
function failed(error) {
  $("erasure-state").textContent = "";
  tell($("erasure"), sentence(error));
}
if ($("erasure")) {
  if (fragment) follow(fragment).catch(failed);
  else $("erasure-state").textContent = say("js.no_claim");
}
