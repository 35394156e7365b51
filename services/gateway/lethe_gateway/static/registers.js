// What the registers of the console share: who signs, small signs, and asking again and again.

import { $, announce, make, sentence } from "./lethe.js";

const REFRESH_MS = 10000;

export const pill = (text, kind = "") => make("span", { className: `pill ${kind}`, textContent: text });
export const code = (text) => make("code", { textContent: text });

/** Who acts; without a name nothing is done. */
export function operator() {
  const field = $("register-operator");
  if (field.value.trim().length < 2) field.focus();
  return field.value.trim();
}

/** Show a register now, and again while somebody looks at it. */
export function keepShowing(show) {
  const refresh = () => show().catch((error) => {
    if (error.status === 401 || error.status === 403) location.reload();
    else announce(sentence(error));
  });
  refresh();
  // What one is deciding about must not move: nothing is refreshed behind an open dialog.
  setInterval(() => !document.hidden && !document.querySelector("dialog[open]") && refresh(), REFRESH_MS);
}
