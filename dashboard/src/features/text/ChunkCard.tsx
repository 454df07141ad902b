import type { Chunk } from "@/api/types";
import { receiptOfChunk } from "@/components/commits";
import { DecisionLabel } from "@/components/Glyph";
import { Receipt } from "@/components/Receipt";
import { type Signal, Signals } from "@/components/Signals";
import { decisionOfChunk, sentenceOf } from "@/lib/decisions";
import { count, signed } from "@/lib/format";

type Options = Readonly<Record<string, unknown>>;

function limitOf(options: Options, name: string, initial: number | null): number | null {
  const value = options[name];
  return typeof value === "number" ? value : initial;
}

/** n tokens hold at most log2(n) bits, so the gate holds a short chunk to half of that instead. */
function entropyLimit(chunk: Chunk, options: Options): number {
  const tokens = Math.max(1, chunk.token_end - chunk.token_start);
  return Math.min(limitOf(options, "min_entropy_threshold", 1) ?? 1, 0.5 * Math.log2(tokens));
}

function signalsOf(chunk: Chunk, options: Options): Signal[] {
  return [
    {
      name: "entropy, bits",
      value: chunk.token_entropy,
      limit: entropyLimit(chunk, options),
      side: "at least",
    },
    {
      name: "diversity",
      value: chunk.token_diversity,
      limit: limitOf(options, "min_diversity_threshold", 0.03),
      side: "at least",
    },
    {
      name: "loss, nats",
      value: chunk.loss_adapted,
      limit: limitOf(options, "ood_loss_threshold", 8),
    },
    {
      name: "gradient norm",
      value: chunk.grad_norm,
      limit: limitOf(options, "abs_grad_norm_threshold", 5.5),
    },
    {
      name: "update norm",
      value: chunk.attempted_update_norm,
      limit: limitOf(options, "abs_update_norm_threshold", 2),
    },
    {
      name: "predicted Δ canary",
      value: chunk.predicted_canary_change,
      shown: signed(chunk.predicted_canary_change),
    },
    {
      name: "measured Δ canary",
      value: chunk.canary_delta,
      shown: chunk.canary_delta === null ? "not probed" : signed(chunk.canary_delta),
    },
    {
      name: "drift after",
      value: chunk.drift_total,
      limit: limitOf(options, "budget_nats", 0.05),
      shown: chunk.drift_total === null ? "not probed" : signed(chunk.drift_total),
    },
  ];
}

function sentence(chunk: Chunk): string {
  const decision = decisionOfChunk(chunk);
  const reasons = [...chunk.gate_reasons, ...chunk.rollback_reasons];
  if (decision === "shortened")
    return "The full step would pass the budget; a part of it was kept.";
  if (reasons.length === 0) return "All checks passed.";
  return reasons.map(sentenceOf).join(" ");
}

/** One attempt of a run: its text, its readings against their limits, and its receipt. */
export function ChunkCard(props: {
  chunk: Chunk;
  options: Options;
  selected: boolean;
  onFlag?: () => void;
}) {
  const { chunk } = props;
  const decision = decisionOfChunk(chunk);
  const kept = chunk.update_norm !== null && chunk.update_norm > 0;
  return (
    <article
      id={`chunk-${chunk.chunk_index}`}
      className={`card d-${decision} ${kept ? "" : "kept-nothing"} ${props.selected ? "bg-accent-soft" : ""}`}
      aria-label={`${decision}, chunk ${chunk.chunk_index}`}
    >
      <div className="hd">
        <DecisionLabel decision={decision} />
        <span>chunk {count(chunk.chunk_index)}</span>
        <span className="text-ink-2 xs">
          {chunk.document}, tokens {count(chunk.token_start)}–{count(chunk.token_end)}
        </span>
        <span className="ml-auto">
          {chunk.canary_delta === null
            ? "not probed"
            : `Δ canary ${signed(chunk.canary_delta)}${kept ? "" : ", not kept"}`}
        </span>
      </div>
      <div className="bd">
        <div>
          <p className="pb-1">{sentence(chunk)}</p>
          <p className="prev">{chunk.chunk_preview}</p>
          {chunk.top_influence_tokens && chunk.top_influence_tokens.length > 0 ? (
            <p className="xs text-ink-2 pt-1">
              moved the loss most:{" "}
              {chunk.top_influence_tokens
                .slice(0, 6)
                .map(([token]) => JSON.stringify(token))
                .join(", ")}
            </p>
          ) : null}
        </div>
        <Signals all={signalsOf(chunk, props.options)} decision={decision} />
      </div>
      <Receipt data={receiptOfChunk(chunk)} bare />
    </article>
  );
}
