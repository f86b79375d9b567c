/** What came of a recommendation; "converted" the service finds out by itself. */
export type Outcome = "shown" | "clicked" | "dismissed";

/** One feature that speaks for a blocker. */
export interface Evidence {
  feature: string;
  value: number | null;
  phrase: string;
  contribution: number;
}

/** What stands in the way, with the probability that a visitor who leaves now leaves for it. */
export interface Blocker {
  friction: string;
  problem_type: string;
  share: number;
  confidence: number;
  evidence: Evidence[];
}

/** What to do about it. */
export interface Recommendation {
  intervention: string;
  title: string;
  message: string;
  channel: string;
  expected_uplift: number;
  cost: number;
}

/** The service's answer to POST /v1/recommend. */
export interface Answer {
  decision_id: string;
  session_id: string;
  journey: string;
  stage: string | null;
  risk: number;
  leaving_soon: number | null;
  leaving_soon_within: string | null;
  events_seen: number;
  model_version: string;
  scored_at: string;
  blockers: Blocker[];
  narrative: string;
  recommendation: Recommendation | null;
  reason: string;
  holdout: boolean;
  propensity: number;
  experiment: string | null;
}

/** The default banner: its words, its colours, and what its button does. */
export interface BannerOptions {
  /** The button's words, "OK" by default. */
  action?: string;
  /** What a screen reader calls the closing button, "Close" by default. */
  close?: string;
  /** By intervention: the address that its button leads to, or what it does. */
  actions?: Record<string, string | (() => void)>;
  /** "auto" follows the visitor's choice of light or dark; by default only on a page whose color-scheme names dark. */
  theme?: "auto" | "light";
}

export interface Options {
  /** Address of the service, such as https://dropoff.example; the script's own by default. */
  host?: string;
  /** A key that may write and read. */
  key?: string;
  /** Whether the visitor agreed. Without consent nothing is stored and nothing is sent. */
  consent?: boolean;
  /** Whether the visitor agreed to interventions that need it, such as an e-mail. */
  contact?: boolean;
  /** Your own id of the visitor in place of a random one. */
  visitorId?: string;
  /** Where the visitor comes from, in place of what the snippet finds. */
  source?: string;
  /** The channel of all events, "on_site" by default. */
  channel?: string;
  /** Seconds of silence that end a session; the service sends its journey's. */
  timeout?: number;
  /** Seconds of silence after which advice is asked for; the service sends its journey's. */
  idle?: number[];
  /** What a rage click is: so many clicks within so many pixels and milliseconds. */
  rage?: { clicks?: number; px?: number; ms?: number };
  /** After how many milliseconds without an answer a click is dead. */
  dead?: { ms?: number };
  /** Least seconds between two questions for advice, 15 by default. */
  every?: number;
  /** Milliseconds after which advice comes too late, 1000 by default. */
  wait?: number;
  /** Signal to the name of the journey's event; "" switches a signal off. */
  names?: Record<string, string>;
  /** Events after which advice is asked for. */
  frictions?: string[];
  /** How a page is called in page views; by default data-dropoff-page of the body, else the path. */
  page?: () => string;
  /** Gets every answer in place of the banner, and reports what came of it. */
  handler?: (answer: Answer, report: (outcome: Outcome) => void) => void;
  /** Options of the default banner; false shows none. */
  banner?: BannerOptions | false;
}

export interface Dropoff {
  init(options?: Options): void;
  /** Say whether the visitor agrees; false also forgets what is stored in the browser. */
  consent(agreed: boolean): void;
  track(event: string, properties?: Record<string, unknown>): unknown;
  /** Send a page view, where a page changes without its address. */
  page(name?: string, properties?: Record<string, unknown>): unknown;
  identify(userId: string, traits?: Record<string, unknown>): void;
  /** Go on as another visitor, such as after signing out. */
  reset(): void;
  /** Ask for advice now; null where there is none in time. */
  recommend(): Promise<Answer | null>;
  /** Send what waits; resolves when the service has it, or has failed. */
  flush(): Promise<void>;
  /** Who visits, for a server that sends events of its own; null without consent. */
  readonly visit: { visitorId: string; sessionId: string; userId?: string } | null;
}

export const dropoff: Dropoff;
export default dropoff;
