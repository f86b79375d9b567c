import { recommend } from "./advice.js";
import { watchClicks } from "./clicks.js";
import { watchForms } from "./forms.js";
import { watchHooks } from "./hooks.js";
import { configure, options } from "./options.js";
import { arrive, view, watchPages } from "./pages.js";
import { active, flush, open, push, shut } from "./send.js";
import { on, track } from "./track.js";
import { change, forget, known, refused, renew, touch, visit } from "./visit.js";

let watching = false;

/** What a page calls. */
export const dropoff = {
  track,
  page: view,
  recommend,
  flush,

  /** Who visits, for a server that sends events of its own; null without consent. */
  get visit() {
    return active ? { visitorId: visit.visitor, sessionId: visit.session, userId: visit.user } : null;
  },

  /** Begin with these options; nothing happens until there is consent, given here, later or on an earlier page. */
  init(given = {}) {
    configure(given);
    if (options.consent ?? known()) dropoff.consent(true);
  },

  /** Say whether the visitor agrees; false also forgets what is stored. */
  consent(agreed) {
    if (!agreed) {
      shut();
      forget();
    } else if (!active && !refused()) {
      touch();
      open();
      document.readyState === "loading" ? on("DOMContentLoaded", watch, document) : watch();
    }
  },

  /** Say who the visitor is. */
  identify(userId, traits = {}) {
    if (!active) return;
    change({ user: userId });
    push({ type: "identify", traits });
  },

  /** Go on as somebody else, such as after signing out. */
  reset() {
    if (active) renew();
  },
};

function watch() {
  if (!active) return;
  arrive();
  if (watching) return;
  watching = true;
  watchPages();
  watchHooks();
  watchForms();
  watchClicks();
  // Consent that is withdrawn in one tab is withdrawn in all.
  on("storage", ({ key, newValue }) => {
    if (key === "dropoff" && !newValue) shut();
  });
}
