const STYLE = `
:host{all:initial}
section{--back:#fff;--ink:#1c2430;--line:#0002;--accent:var(--dropoff-accent,#1f4fd8);--on-accent:var(--dropoff-on-accent,#fff);
position:fixed;z-index:2147483000;inset-block-end:16px;inset-inline-end:16px;box-sizing:border-box;
width:min(360px,calc(100vw - 32px));max-height:calc(100vh - 32px);overflow:auto;padding:18px 20px;
border:1px solid var(--line);border-radius:14px;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,sans-serif;box-shadow:0 10px 34px #0003;animation:in .25s ease-out}
h2{margin:0 0 4px;margin-inline-end:32px;font-size:16px}
p{margin:0 0 14px}
button{font:inherit;font-weight:600;min-height:44px;padding:0 18px;border:0;border-radius:10px;cursor:pointer;
background:var(--accent);color:var(--on-accent)}
.close{position:absolute;inset-block-start:6px;inset-inline-end:6px;min-width:44px;padding:0;background:none;color:inherit;font-size:20px}
button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.close:focus-visible{outline-offset:-4px}
@keyframes in{from{opacity:0;transform:translateY(16px)}}
@media (prefers-reduced-motion:reduce){section{animation:none}}
@media (prefers-color-scheme:dark){.auto{--back:#1b222d;--ink:#eef2f7;--line:#fff3;
--accent:var(--dropoff-accent-dark,#8fb0ff);--on-accent:var(--dropoff-on-accent-dark,#0d1526)}}
`;

/** Show a recommendation in a corner of the page, without taking the focus. It is loaded only where it is needed. */
export function show({ intervention, title, message }, report, onClosed, options) {
  const { action = "OK", close = "Close", actions = {}, theme = usual() } = options;
  const host = document.createElement("dropoff-banner");
  host.dataset.dropoffIgnore = "";
  host.dir = getComputedStyle(document.documentElement).direction;
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];

  const add = (parent, kind, values) => parent.appendChild(Object.assign(document.createElement(kind), values));
  const panel = add(root, "section", { className: theme, ariaLabel: title });
  const words = add(panel, "div", { role: "status" });
  const end = (outcome) => {
    report(outcome);
    host.remove();
    removeEventListener("keydown", onKey);
    onClosed();
  };
  // A dialog of the page closes first.
  const onKey = ({ key, defaultPrevented }) =>
    key === "Escape" && !defaultPrevented && !document.querySelector(":modal") && end("dismissed");
  const act = () => {
    end("clicked");
    const then = actions[intervention];
    typeof then === "function" ? then() : then && location.assign(then);
  };
  add(panel, "button", { type: "button", textContent: action, onclick: act });
  add(panel, "button", { type: "button", className: "close", textContent: "×", ariaLabel: close, onclick: () => end("dismissed") });
  addEventListener("keydown", onKey);
  document.body.append(host);
  // A screen reader says what changes in a place that it knows.
  setTimeout(() => {
    add(words, "h2", { textContent: title });
    add(words, "p", { textContent: message });
    report("shown");
  }, 50);
}

/** A banner is dark, where the visitor wants that, only on a page that can be dark itself. */
function usual() {
  const { colorScheme } = getComputedStyle(document.documentElement);
  const said = document.querySelector("meta[name=color-scheme]")?.content;
  return /dark/.test(colorScheme + said) ? "auto" : "light";
}
