import type { Chunk, CommitEvent } from "@/api/types";
import { decisionOfChunk, decisionOfEvent } from "@/lib/decisions";
import { signed } from "@/lib/format";
import type { ReceiptData } from "./Receipt";

function lastOf<Value>(chunks: readonly Chunk[], pick: (chunk: Chunk) => Value | null | undefined) {
  return chunks.map(pick).findLast((value) => value !== null && value !== undefined) ?? null;
}

/** The receipt of a message: its chunks taken together. */
export function receiptOfCommit(
  event: CommitEvent,
  place: string,
  budget: number,
): ReceiptData | null {
  const decision = decisionOfEvent(event);
  if (decision === null) return null;
  const chunks = event.chunks ?? [];
  return {
    decision,
    reasons: event.reasons ?? [],
    attempted: lastOf(chunks, (chunk) => chunk.attempted_update_norm),
    kept: lastOf(chunks, (chunk) => chunk.update_norm),
    canaryDelta: event.canary_rise ?? lastOf(chunks, (chunk) => chunk.canary_delta),
    commit: place,
    readings: [
      { name: "loss, base", value: event.loss_base },
      { name: "loss, as read", value: event.loss_read },
      { name: "gradient norm", value: event.grad_norm },
      { name: "update norm", value: event.update_norm },
      {
        name: "drift after",
        value: event.drift_total,
        limit: budget,
        shown: signed(event.drift_total),
      },
    ],
  };
}

/** The receipt of a monitored chunk. */
export function receiptOfChunk(chunk: Chunk): ReceiptData {
  return {
    decision: decisionOfChunk(chunk),
    reasons: [...chunk.gate_reasons, ...chunk.rollback_reasons],
    attempted: chunk.attempted_update_norm,
    kept: chunk.update_norm,
    canaryDelta: chunk.canary_delta,
    commit: chunk.update_norm ? "kept" : "nothing kept",
    readings: [],
  };
}
