import type { Chunk, RunCurve } from "@/api/types";
import { asDecision, type Decision, decisionOfChunk } from "@/lib/decisions";

/** What is drawn of a run, whether it is saved or still under way. */
export interface RunView {
  readonly index: readonly number[];
  readonly decisions: readonly Decision[];
  readonly tape: readonly Decision[];
  /** The first chunk of each mark of the tape. */
  readonly tapeChunks: readonly number[];
  readonly chunks: number;
  readonly thinned: boolean;
  readonly lossBase: readonly (number | null)[];
  readonly lossMixed: readonly (number | null)[];
  readonly canary: readonly (number | null)[];
  readonly predicted: readonly (number | null)[];
  readonly drift: readonly (number | null)[];
}

export function viewOfCurve(curve: RunCurve): RunView {
  return {
    index: curve.index,
    decisions: curve.decision.map(asDecision),
    tape: curve.tape.map((mark) => asDecision(mark.decision)),
    tapeChunks: curve.tape.map((mark) => mark.chunk),
    chunks: curve.chunks,
    thinned: curve.thinned,
    lossBase: curve.loss_base,
    lossMixed: curve.loss_mixed,
    canary: curve.canary_delta,
    predicted: curve.predicted_canary_change,
    drift: curve.drift_total,
  };
}

const LIVE_MAX = 1000;

/** The newest chunks of a run under way; the whole of it is there once it is saved. */
export function viewOfChunks(all: readonly Chunk[]): RunView {
  const chunks = all.slice(-LIVE_MAX);
  return {
    index: chunks.map((one) => one.chunk_index),
    decisions: chunks.map(decisionOfChunk),
    tape: chunks.map(decisionOfChunk),
    tapeChunks: chunks.map((one) => one.chunk_index),
    chunks: all.length,
    thinned: false,
    lossBase: chunks.map((one) => one.loss_base),
    lossMixed: chunks.map((one) => one.loss_mixed),
    canary: chunks.map((one) => one.canary_delta),
    predicted: chunks.map((one) => one.predicted_canary_change ?? null),
    drift: chunks.map((one) => one.drift_total),
  };
}

/** A value that holds until the next one that was measured. */
export function held(values: readonly (number | null)[]): (number | null)[] {
  let last: number | null = null;
  return values.map((value) => {
    last = value ?? last;
    return last;
  });
}
