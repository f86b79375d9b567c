/** What a page may configure, with what holds where it says nothing. */
export const options = {
  host: "",
  key: "",
  contact: false,
  channel: "on_site",
  timeout: 1800,
  idle: [30, 120, 600],
  // Definition 1 of both. Whoever changes the code of a signal raises its number in signals.js.
  rage: { clicks: 3, px: 30, ms: 1000 },
  dead: { ms: 1500 },
  every: 15,
  wait: 1000,
  // The name under which a signal is sent; one that is empty is not sent.
  names: { script_error: "", idle: "" },
  frictions: ["form_error", "payment_failed", "page_error", "rage_click", "dead_click", "exit_intent"],
  banner: {},
};

/** Put given options over these; groups are merged, so that one member can be given alone. */
export function configure(given) {
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) options[name] = value?.constructor === Object ? { ...options[name], ...value } : value;
  }
}
