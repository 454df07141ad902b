/** The thresholds of a monitored run, as the screen lets people set them. */

export interface Limit {
  readonly label: string;
  readonly initial: string;
  readonly min?: number;
  readonly max?: number;
  readonly whole?: boolean;
  readonly optional?: boolean;
}

export const LIMITS = {
  min_entropy_threshold: { label: "Entropy at least, bits", initial: "1", min: 0 },
  min_diversity_threshold: { label: "Diversity at least", initial: "0.03", min: 0, max: 1 },
  ood_loss_threshold: { label: "Loss at most, nats", initial: "8", min: 0 },
  ood_grad_threshold: { label: "Gradient at most, with high loss", initial: "2", min: 0 },
  chunk_tokens: { label: "Tokens of a chunk", initial: "128", min: 1, max: 8192, whole: true },
  lr: { label: "Rate", initial: "", min: 0, optional: true },
  budget_nats: { label: "Drift budget, nats", initial: "0.05", min: 0 },
  rollback_z_threshold: { label: "Canary z at most", initial: "6", min: 0 },
  rollback_abs_canary_delta: {
    label: "Canary rise at most, nats",
    initial: "",
    min: 0,
    optional: true,
  },
  seed: { label: "Seed", initial: "0", whole: true },
} as const satisfies Record<string, Limit>;
export type LimitName = keyof typeof LIMITS;

export const GROUPS: readonly { readonly title: string; readonly names: readonly LimitName[] }[] = [
  {
    title: "Before the step: gate",
    names: [
      "min_entropy_threshold",
      "min_diversity_threshold",
      "ood_loss_threshold",
      "ood_grad_threshold",
    ],
  },
  { title: "The step", names: ["chunk_tokens", "lr", "seed"] },
  {
    title: "After the step: probe",
    names: ["budget_nats", "rollback_z_threshold", "rollback_abs_canary_delta"],
  },
];

export interface Choices {
  readonly numbers: Readonly<Record<LimitName, string>>;
  readonly backbone: "gru" | "ssm";
  readonly objective: "ar" | "mlm";
  readonly safety_mode: "spfw" | "gate_rollback";
  readonly enable_gate: boolean;
  readonly enable_rollback: boolean;
}

const NAMES = Object.keys(LIMITS) as LimitName[];

export const DEFAULTS: Choices = {
  numbers: Object.fromEntries(NAMES.map((name) => [name, LIMITS[name].initial])) as Record<
    LimitName,
    string
  >,
  backbone: "gru",
  objective: "ar",
  safety_mode: "spfw",
  enable_gate: true,
  enable_rollback: true,
};

const WORDS = ["backbone", "objective", "safety_mode", "enable_gate", "enable_rollback"] as const;

/** Only what differs from the defaults: the body of a request, and a configuration file. */
export function changedOptions(choices: Choices): Record<string, string | number | boolean> {
  const numbers = NAMES.filter((name) => choices.numbers[name] !== LIMITS[name].initial);
  const words = WORDS.filter((name) => choices[name] !== DEFAULTS[name]);
  return {
    ...Object.fromEntries(numbers.map((name) => [name, Number(choices.numbers[name])])),
    ...Object.fromEntries(words.map((name) => [name, choices[name]])),
  };
}

/** The same as a file for `--config`. */
export function asConfig(choices: Choices): string {
  const lines = Object.entries(changedOptions(choices)).map(([name, value]) => `${name}: ${value}`);
  return `# ttt monitor --config FILE --demo\n${lines.join("\n")}\n`;
}
