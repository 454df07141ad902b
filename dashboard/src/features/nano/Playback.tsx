import { useEffect, useState } from "react";
import { fixed } from "@/lib/format";

const SIZE = 260;
const TAIL = 40;

function middle(values: readonly number[]): number {
  return (Math.min(...values) + Math.max(...values)) / 2;
}

/** The plant's trajectory beside what was predicted of it, step by step. */
export function Playback({ steps }: { steps: Readonly<Record<string, number[]>> }) {
  const length = steps.step?.length ?? 0;
  const [at, setAt] = useState(Math.min(length - 1, TAIL));
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => setAt((before) => (before + 1) % length), 60);
    return () => clearInterval(timer);
  }, [playing, length]);
  const begin = Math.max(0, at - TAIL);
  const cut = (name: string) => (steps[name] ?? []).slice(begin, at + 1);
  // The plant wanders far: the picture follows it, and says how wide it is.
  const [centreX, centreY] = [middle(cut("pos_x")), middle(cut("pos_y"))];
  const spread = Math.max(
    1e-6,
    ...cut("pos_x").map((value) => Math.abs(value - centreX)),
    ...cut("pos_y").map((value) => Math.abs(value - centreY)),
  );
  const scale = (SIZE / 2 - 20) / spread;
  const pathOf = (x: string, y: string) => {
    const ys = cut(y);
    return cut(x)
      .map((value, n) => {
        const across = SIZE / 2 + (value - centreX) * scale;
        const up = SIZE / 2 - ((ys[n] ?? 0) - centreY) * scale;
        return `${n === 0 ? "M" : "L"}${across.toFixed(1)} ${up.toFixed(1)}`;
      })
      .join("");
  };
  return (
    <div className="row wrap items-start pt-3">
      <svg
        className="ch"
        width={SIZE}
        height={SIZE}
        viewBox={`0 0 ${SIZE} ${SIZE}`}
        role="img"
        aria-label={`position at step ${at}, with the last ${TAIL} steps and their predictions`}
      >
        <rect width={SIZE} height={SIZE} fill="none" stroke="var(--line)" />
        <path d={pathOf("pos_x", "pos_y")} fill="none" stroke="var(--s1)" strokeWidth="2" />
        <path
          d={pathOf("predicted_pos_x", "predicted_pos_y")}
          fill="none"
          stroke="var(--s2)"
          strokeDasharray="4 2"
          strokeWidth="1.5"
        />
        <text x="6" y="14">
          solid: what was; dashed: predicted
        </text>
      </svg>
      <div className="stack min-w-60">
        <div className="row">
          <button
            type="button"
            className="btn sm"
            aria-pressed={playing}
            onClick={() => setPlaying(!playing)}
          >
            {playing ? "Pause" : "Play"}
          </button>
          <input
            type="range"
            aria-label="step"
            min={0}
            max={length - 1}
            value={at}
            onChange={(event) => setAt(Number(event.target.value))}
          />
          <span>step {at}</span>
        </div>
        <dl className="grid grid-cols-[auto_1fr] gap-x-3">
          <dt className="text-ink-2">width of the picture</dt>
          <dd>{fixed(2 * spread, 2)}</dd>
          <dt className="text-ink-2">hidden friction mu</dt>
          <dd>{fixed(steps.mu?.[at], 5)}</dd>
          <dt className="text-ink-2">error, frozen base</dt>
          <dd>{(steps.base_mse?.[at] ?? Number.NaN).toExponential(2)}</dd>
          <dt className="text-ink-2">error, adaptive</dt>
          <dd>{(steps.adaptive_mse?.[at] ?? Number.NaN).toExponential(2)}</dd>
        </dl>
        <p className="xs dim max-w-72">
          The model is never told mu; what learning online is worth is how far the two errors lie
          apart.
        </p>
      </div>
    </div>
  );
}
