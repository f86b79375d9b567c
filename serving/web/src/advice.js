import { options } from "./options.js";
import { active, flush, keyed, post } from "./send.js";
import { change, touch, visit } from "./visit.js";

const TOGETHER = 300;
let timer;
let lastAsked = -Infinity;
let open = false;

/** Ask for advice soon: what comes at once is asked once, and no two questions follow within ``every`` seconds. */
export function ask() {
  if (!active || open || timer) return;
  const pause = lastAsked + options.every * 1000 - Date.now();
  timer = setTimeout(recommend, Math.max(TOGETHER, pause));
}

/** Ask now; resolves to the answer, or to null where none came in time. */
export async function recommend() {
  clearTimeout(timer);
  timer = 0;
  if (!active || open || visit?.ended) return null;
  lastAsked = Date.now();
  const signal = AbortSignal.timeout(options.wait);
  const late = new Promise((resolve) => signal.addEventListener("abort", resolve));
  await Promise.race([flush(), late]);
  let answer;
  try {
    const subject = { session_id: touch().session, consent: options.contact };
    // What may be read with a key is not asked for with the key in the address.
    const headers = options.key ? { "X-Dropoff-Key": options.key } : {};
    const response = await post("/v1/recommend", subject, { signal, headers });
    if (!response.ok) return null;
    answer = await response.json();
  } catch {
    // Advice that comes too late is no longer about this moment.
    return null;
  }
  if (answer.reason === "ended") change({ ended: 1 });
  await tell(answer);
  return answer;
}

async function tell(answer) {
  const done = new Set();
  const report = (outcome) => {
    if (done.has(outcome)) return;
    done.add(outcome);
    deliver({ decision_id: answer.decision_id, outcome }, 0);
    dispatchEvent(new CustomEvent(`dropoff:${outcome}`, { detail: answer }));
  };
  const { recommendation } = answer;
  if (options.handler) options.handler(answer, report);
  else if (options.banner && recommendation && ["on_site", "in_app"].includes(recommendation.channel)) {
    open = true;
    const { show } = await options.load();
    show(recommendation, report, () => (open = false), options.banner);
  }
}

async function deliver(outcome, failures) {
  const status = await post(keyed("/v1/outcome"), outcome).then(({ status }) => status, () => 0);
  if ((!status || status >= 500) && failures < 5) setTimeout(deliver, 2 ** failures * 1000, outcome, failures + 1);
}
