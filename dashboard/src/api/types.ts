/** What the service answers, as far as the screens read it. */

export interface Index {
  readonly artifacts_root: string;
  readonly base: string;
  readonly nano_base: boolean;
  readonly counts: Readonly<
    Record<"sessions" | "text_sessions" | "text_models" | "text_runs" | "jobs", number>
  >;
}

export type JobPhase = "queued" | "running" | "completed" | "failed" | "cancelled" | "interrupted";

export interface Job {
  readonly job_id: string;
  readonly kind: "monitor" | "train" | "sleep" | "nano-base" | "nano-run";
  readonly status: JobPhase;
  readonly title: string;
  readonly attempt: number;
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  readonly note: string;
  readonly message: string;
  readonly result: Readonly<Record<string, unknown>>;
  readonly created: string;
  readonly started: string;
  readonly ended: string;
  readonly time: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

export interface SessionRow {
  readonly session_id: string;
  readonly parent: string | null;
  readonly created_at: string;
  readonly commits: number;
  readonly head_type: string;
  readonly head_time: string;
  readonly damage: string;
}

export interface Chunk {
  readonly chunk_index: number;
  readonly outcome: string;
  readonly chunk_preview?: string;
  readonly document?: string;
  readonly token_start: number;
  readonly token_end: number;
  readonly token_entropy?: number;
  readonly token_diversity?: number;
  readonly loss_base: number | null;
  readonly loss_adapted: number | null;
  readonly loss_mixed: number | null;
  readonly loss_mixed_bound?: number | null;
  readonly grad_norm: number | null;
  readonly grad_z?: number | null;
  readonly attempted_update_norm: number | null;
  readonly update_norm: number | null;
  readonly predicted_canary_change?: number | null;
  readonly canary_delta: number | null;
  readonly canary_delta_z?: number | null;
  readonly drift_total: number | null;
  readonly gate_allowed: boolean;
  readonly gate_reasons: readonly string[];
  readonly rollback_reasons: readonly string[];
  readonly spfw_lr_eff?: number | null;
  readonly top_influence_tokens?: readonly (readonly [string, number])[] | null;
}

export interface CommitEvent {
  readonly type: string;
  readonly reasons?: readonly string[];
  readonly chunks?: readonly Chunk[];
  readonly message?: string;
  readonly answer?: string;
  readonly learning?: boolean;
  readonly loss_base?: number | null;
  readonly loss_read?: number | null;
  readonly canary_rise?: number | null;
  readonly drift_total?: number | null;
  readonly withheld_nats?: number;
  readonly grad_norm?: number | null;
  readonly update_norm?: number | null;
  readonly chat?: Readonly<Record<string, string | number | boolean | null>>;
  readonly rule?: string;
  readonly run?: string;
  readonly step?: number;
  readonly mu?: number;
  readonly base_loss?: number | null;
  readonly pre_loss?: number | null;
  readonly post_loss?: number | null;
}

export interface Commit {
  readonly session_id: string;
  readonly n: number;
  readonly time: string;
  readonly event: CommitEvent;
  readonly sum: string;
  readonly parent: string | null;
  readonly tags: readonly string[];
  readonly taken_back: boolean;
  readonly review: { readonly verdict: Verdict; readonly note: string } | null;
}

/** What a person says of a commit. */
export type Verdict = "confirm" | "dismiss" | "flag";

export interface ReviewQueue {
  readonly found: number;
  readonly outliers: readonly {
    readonly commit: string;
    readonly event: string;
    readonly figure: string;
    readonly value: number;
    readonly z: number;
    readonly verdict: Verdict | null;
  }[];
  readonly reviews: readonly {
    readonly commit: string;
    readonly verdict: Verdict;
    readonly note: string;
  }[];
}

export interface TensorDiff {
  readonly name: string;
  readonly shape: readonly number[];
  readonly norm_a: number;
  readonly norm_b: number;
  readonly norm_delta: number;
  readonly relative: number;
  readonly cosine: number;
  readonly changed: number;
  readonly rank: number;
}

export interface Model {
  readonly model_id: string;
  readonly status: string;
  readonly parents: readonly string[];
  readonly note?: string;
}

export interface RunCurve {
  readonly chunks: number;
  readonly begin: number;
  readonly end: number;
  readonly thinned: boolean;
  readonly index: readonly number[];
  readonly decision: readonly string[];
  readonly loss_base: readonly (number | null)[];
  readonly loss_mixed: readonly (number | null)[];
  readonly canary_delta: readonly (number | null)[];
  readonly predicted_canary_change: readonly (number | null)[];
  readonly drift_total: readonly (number | null)[];
  readonly tape: readonly { chunk: number; chunks: number; decision: string }[];
}

export interface TrainLine {
  readonly step: number;
  readonly loss: number;
  readonly objective: string;
  readonly val_loss?: number;
  readonly tokens_per_s: number;
}

export interface Training {
  readonly model_id: string;
  readonly status: string;
  readonly step: number;
  readonly steps: number;
  readonly loss: number | null;
  readonly val_loss: number | null;
  readonly tokens_per_s: number | null;
  readonly left_s: number | null;
  readonly message: string;
}

export interface SleepDecision {
  readonly act: string;
  readonly model_id: string;
  readonly outcome: string;
  readonly reasons: readonly string[];
  readonly before: string;
  readonly after: string;
  readonly note: string;
  readonly time: string;
}

export interface SleepStatus {
  readonly current: string;
  readonly earlier: readonly string[];
  readonly statuses: Readonly<Record<string, string>>;
  readonly decisions: readonly SleepDecision[];
}

export interface Memory {
  readonly place: string;
  readonly approved: boolean;
  readonly reasons: readonly string[];
  readonly readings: Readonly<Record<string, number | null>>;
  readonly held_out: boolean;
}

export interface Night {
  readonly base: string;
  readonly candidate: string;
  readonly audited: boolean;
  readonly sessions: number;
  readonly memories: readonly Memory[];
  readonly losses: {
    readonly before: Readonly<Record<string, number>>;
    readonly after: Readonly<Record<string, number>>;
  } | null;
  readonly gate: {
    readonly allowed: boolean;
    readonly reasons: readonly string[];
    readonly limits: Readonly<Record<string, number>>;
  } | null;
}

export interface Architecture {
  readonly domains: readonly string[];
  readonly layers: readonly {
    readonly layer: string;
    readonly cells: Readonly<Record<string, { by?: string; test?: string; why?: string }>>;
  }[];
}

export interface Weights {
  readonly name: string;
  readonly shape: readonly number[];
  readonly norm: number;
  readonly singular_values: readonly number[];
  readonly values: readonly (readonly number[])[];
  readonly averaged: boolean;
}
