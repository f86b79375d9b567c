import { ignored, on, signal } from "./track.js";

const AGAIN = 2000;
const TYPED = "input:not([type=search]),select,textarea";
const refused = new Map();

/** Notice which fields are filled in, and which are refused; never what stands in them. */
export function watchForms() {
  on("change", ({ target }) => {
    if (!target.matches?.(TYPED) || target.matches("[data-dropoff-event]") || ignored(target)) return;
    if (target.form && !target.closest("[role=search]")) signal("edit_field", { field: named(target) });
  });
  on("invalid", ({ target }) => refuse(target));
}

/** Tell that a field was refused; the browser and the page may say so both, at the same time. */
export function refuse(field) {
  const name = named(field);
  if (ignored(field) || Date.now() - refused.get(name) < AGAIN) return;
  refused.set(name, Date.now());
  signal("form_error", { field: name });
}

const named = (field) => field.name || field.id || field.autocomplete || field.type || field.localName;
