"""The words of the product with their meanings: the one list behind the README, the documentation and the page."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """A word, or words that are explained together, and what it means; Markdown's backticks and nothing else."""

    word: str
    meaning: str


CORE: tuple[Term, ...] = (
    Term("event", "something that happened at a moment: a name, a time, whose it is, properties"),
    Term("visitor, user", "anonymous, by device or browser; known, by an account"),
    Term("person", "the visitors that users connect, as known at a moment"),
    Term("session", "one attempt at a journey: minutes in a shop, weeks in a loan application"),
    Term("journey", "ordered stages, how it can end, what is measured on the way, and what can be done"),
    Term("stage", "how far a session has come; the furthest one counts"),
    Term("goal", "the event that is success"),
    Term("abandonment", "the outcome that is predicted: a declared end, or silence past the session's timeout"),
    Term("cutoff", "a moment at which a session is looked at; nothing later is known there"),
    Term("horizon", "how far ahead the label looks; by default to the session's end"),
    Term("risk", "calibrated probability of abandonment"),
    Term(
        "leaving soon",
        "probability that by a minute from now (or a day, as the journey declares) the visitor has acted for the "
        "last time, in a session that is abandoned",
    ),
    Term("contributions", "SHAP values: what each feature adds to the risk's log-odds; they add up exactly"),
    Term(
        "friction",
        "a category of obstacle, such as payment, shipping or trust; it belongs to one of four problem types",
    ),
    Term("trace", "a feature that a journey declares as evidence of a friction, such as failed payments"),
    Term(
        "blocker",
        "a friction that probably stands in this visitor's way: its traces are unusual at that stage, or it is "
        "what visitors there mostly leave for",
    ),
    Term(
        "confidence",
        "of a blocker: the probability that a visitor who leaves now leaves for it, under the diagnosis' assumptions",
    ),
    Term("share", "of a blocker: its part of the confidence in all that are listed"),
    Term(
        "diagnosis",
        "the ranked blockers, or none where nothing stands out (it abstains); it comes from how unusual traces "
        "are and from who leaves at the stage, not from the contributions",
    ),
    Term("phrase", 'a feature\'s value said in words: "payment failed twice"'),
    Term("intervention", "one thing an app can do about a blocker"),
    Term("decision", "which intervention was recommended, or none, and why"),
    Term("policy", "what chooses among the eligible interventions"),
    Term("propensity", "the probability with which the decision was made"),
    Term("reward", "what a decision was worth, measured later"),
    Term("holdout", "the visitors who never see an intervention"),
    Term(
        "uplift",
        "what an intervention adds to the probability of the goal; today a declared belief, not a measurement",
    ),
    Term("ledger", "the record of every decision and its outcomes"),
    Term("treated session", "one in which an intervention was recommended or shown"),
    Term("fingerprint", "a digest of a feature table; a model serves only the table that it was trained on"),
    Term(
        "champion, challenger",
        "the version that serves; the one that is asked beside it, unseen (in MLflow the latest that was registered, "
        "while none is)",
    ),
    Term("promote, roll back", "make a version the champion; make the one before it champion again"),
    Term("prefix", "a session up to one of its events; what evaluation counts"),
    Term("held-out sessions", "the latest ones of a log, which no training has seen"),
    Term(
        "calibration, ECE",
        "whether of all with a risk of 80 % eight in ten are abandoned; the mean gap between the two",
    ),
    Term("recalibration", "to correct the risks of a model with recent sessions, and leave its trees as they are"),
    Term("leak", "an event or feature that is known only once the end is decided"),
    Term("snapshot", "what a log looked like when a model was trained on it, kept beside the model"),
    Term("drift", "the difference between a later log, or the live traffic, and the snapshot"),
)
"""What the README explains."""

INSIGHTS: tuple[Term, ...] = (
    Term(
        "annotation",
        "something that was done, such as a release or a policy, noted down with its moment so that figures can "
        "be read with it",
    ),
    Term(
        "alarm",
        "a figure that has left what is usual by more than chance and by enough to matter; it stays open until "
        "somebody closes it, or the figure is back",
    ),
    Term("usual", "what earlier days lead one to expect of a day: its weekday, its hour, its trend"),
    Term("facts", "the small tables that pages and commands read, made of a log in one pass"),
    Term("outcome", "how a session ended: goal, abandoned, a competing end, or still open"),
    Term("exit", "an abandonment, counted at the furthest stage that the session had reached"),
    Term("exit rate, drop-off", "of the sessions that reached a stage, the share that was abandoned there"),
    Term("funnel", "steps in an order, and how many people took each after the ones before it"),
    Term(
        "conversion",
        "the share of sessions with a known end that reached the goal; of a funnel, the share of its people that "
        "took the last step",
    ),
    Term("dwell", "the time that a session spends in a stage"),
    Term("cohort", "sessions that have something in common, such as a device, a source or a blocker"),
    Term(
        "interval",
        "the range in which a figure lies with 95 % confidence: a hundred such ranges hold the truth about 95 times",
    ),
    Term(
        "many comparisons",
        "among twenty differences one looks real by chance; limits are corrected for how many are looked at",
    ),
    Term("small cell", "a group of so few people that figures of it could tell of one; it is hidden"),
    Term(
        "touchpoint",
        "a contact on a channel, on the site or off it: a visit, an e-mail that was opened, a click on an ad, a call",
    ),
    Term("channel", "where a touchpoint takes place: `on_site`, `email`, `ads`, `in_app`, `call`"),
    Term("touch, path", "an unbroken run of a person's events on one channel; the touches before a goal or a stage"),
    Term(
        "credit",
        "how a model shares out what was reached among the channels of its paths; parts add up to the whole; "
        "association",
    ),
    Term("first touch, last touch", "all credit to the first, or to the last, touchpoint before the goal"),
    Term(
        "linear, position-based, time-decay credit",
        "credit in equal parts; most to the first and last; more to the later ones",
    ),
    Term(
        "removal effect",
        "how many goals a Markov chain of the touchpoints would lose without a channel; a property of the model, "
        "no estimate of what would happen",
    ),
    Term("Shapley credit", "a channel's mean addition over all orders in which the channels could have joined"),
    Term("pace", "the time between a visitor's actions, beside the visitor's own and the stage's usual one"),
    Term("hesitation", "a pause much longer than the visitor's own pace and the stage's"),
    Term("nudge", "an intervention while the visitor is still there; its best moment is read off `leaving_soon`"),
    Term(
        "opportunity",
        "a blocker at a stage as an issue: people affected, value at stake, expected gain, effort, owners, status",
    ),
    Term("value at stake", "what the sessions that a blocker stopped would be worth if all of them reached the goal"),
    Term(
        "expected gain",
        "what an intervention is believed to bring, from its declared prior until an experiment has measured it",
    ),
    Term(
        "tactic",
        "an intervention against a blocker, at a stage and for an audience: proposed, testing, proven or retired",
    ),
    Term("playbook", "the library of tactics, each with its evidence, its owner and what was learnt"),
    Term(
        "evidence",
        "of a tactic: what its randomised experiments measured; it counts half after the journey's "
        "`evidence_half_life`, a year by default",
    ),
    Term("re-test", "the experiment that a proven tactic is due for, once its evidence has become too weak or too old"),
    Term("quick win, strategic", "an opportunity of little effort; one of much"),
    Term("micro-conversion, macro-outcome", "the next step; the goal and its revenue"),
    Term("journey map", "one page with touchpoints, stages, drop-off, blockers, tests and owners along the journey"),
    Term(
        "journey version",
        "the journey between two changes of its stages or frictions; older figures are shown where they are comparable",
    ),
    Term("owner", "the team that answers for a stage, an intervention or the journey, as the declaration says"),
    Term("steward", "who answers for the data of a channel or a source"),
    Term("milestone", "something to be done by a day, with its owner"),
    Term(
        "review, agenda",
        "the regular meeting about a journey; what it has to talk about, made from the figures and records",
    ),
    Term("audit", "who changed what and when; written with the change, and never rewritten"),
    Term(
        "late event",
        "an event that was received too late for advice about its session: more than the journey's "
        "`leaving_soon_within` after it occurred",
    ),
    Term("clock skew", "events that were received before they occurred, by a clock that is wrong"),
    Term("duplicate", "an event whose id was received before; the first one counts"),
    Term("unknown event", "an event whose name the journey does not declare"),
    Term("quarantine", "where rows go that cannot be used, each with the reason"),
    Term("silence", "hours in a row without an event from a channel"),
)
"""What pages and reports speak of, besides."""


def find_term(word: str) -> Term | None:
    """Return the term that explains a word, in any case; None for an unknown one."""
    wanted = word.casefold()
    for term in (*CORE, *INSIGHTS):
        if wanted in [one.strip().casefold() for one in term.word.split(",")]:
            return term
    return None


def to_markdown(terms: Iterable[Term]) -> str:
    """Return the terms as a table in Markdown."""
    rows = [f"| {term.word} | {term.meaning} |" for term in terms]
    return "\n".join(["| word | meaning |", "|---|---|", *rows]) + "\n"
