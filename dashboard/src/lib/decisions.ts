/** What can become of an attempt to learn, in the words and shapes that every screen uses. */

export const DECISIONS = [
  "committed",
  "shortened",
  "blocked",
  "reverted",
  "failed",
  "running",
] as const;
export type Decision = (typeof DECISIONS)[number];

const SENTENCES: Readonly<Record<string, string>> = {
  low_entropy: "Too few different tokens to learn from.",
  low_diversity: "The text repeats itself.",
  blob: "Looks like encoded data, not language.",
  oversized: "Longer than a step may be.",
  instruction_override: "Text asks the model to ignore its rules.",
  ood_heavy_write: "Unfamiliar text that would change much.",
  budget: "Canary loss rose more than the budget had left.",
  canary_abs: "Canary loss rose over its limit.",
  canary_z: "Canary loss rose far outside its own history.",
  canary_rise: "Canary loss rose over its limit.",
  drift_budget: "The sum of changes since the root reached its budget.",
  non_finite: "A reading was not a number.",
  write_suppressed: "Nothing of the step was left that harms no canary.",
  glitch: "Far worse than what came before: taken for a broken reading.",
  heldout: "Worse on what it had not learned from.",
  duplicate: "An earlier memory says the same.",
  campaign: "Sessions of three origins or more share a run of eight words.",
  private: "An e-mail address, a number of a card or an account, or a key.",
  too_short: "Nothing to predict.",
  canary_influence: "Trained on alone, it raises the canaries' loss.",
  doubtful_session: "A third of what its session said is hostile.",
  left_out: "A person left it out.",
  let_in: "A person let it in.",
  core_rise: "Loss on core text rose over its limit.",
  mixed_not_lower: "The mixed loss did not fall.",
};

/** A reason's code as a sentence; a code that has none is shown as it is. */
export function sentenceOf(reason: string): string {
  return SENTENCES[reason] ?? SENTENCES[reason.split(":")[0] ?? ""] ?? reason;
}

/** What became of a chunk, as it was told: its outcome, and how much of the step was kept. */
export function decisionOfChunk(chunk: {
  readonly outcome?: string;
  readonly spfw_lr_eff?: number | null;
}): Decision {
  if (chunk.outcome === "refused") return "blocked";
  if (chunk.outcome === "committed")
    return (chunk.spfw_lr_eff ?? 1) < 1 ? "shortened" : "committed";
  return asDecision(chunk.outcome ?? "");
}

/** A decision by its word; a word that is none is a failure. */
export function asDecision(word: string): Decision {
  return DECISIONS.find((one) => one === word) ?? "failed";
}

interface CommitEvent {
  readonly type?: string;
  readonly outcome?: string;
  readonly chunks?: readonly { readonly outcome?: string; readonly spfw_lr_eff?: number | null }[];
}

/** What a commit of a session says became of its input; null where nothing was tried. */
export function decisionOfEvent(event: CommitEvent): Decision | null {
  const part = event.chunks?.some((chunk) => decisionOfChunk(chunk) === "shortened") ?? false;
  switch (event.type) {
    case "update":
      return part ? "shortened" : "committed";
    case "blocked":
    case "skip":
    case "skipped":
      return "blocked";
    case "rollback":
    case "reverted":
      return "reverted";
    case "failed":
      return "failed";
    default:
      return null;
  }
}

/** How many of each decision there are, in the order of `DECISIONS`, without those that are none. */
export function countDecisions(all: readonly Decision[]): readonly (readonly [Decision, number])[] {
  return DECISIONS.map((one) => [one, all.filter((other) => other === one).length] as const).filter(
    ([, count]) => count > 0,
  );
}
