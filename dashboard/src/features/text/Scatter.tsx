import type { Decision } from "@/lib/decisions";
import { percent, signed } from "@/lib/format";

export interface Forecast {
  readonly predicted: number;
  readonly measured: number;
  readonly decision: Decision;
}

const SIZE = 230;
const LINEAR = 0.001;

/** Symlog: linear below a thousandth of a nat, logarithmic above. */
function symlog(value: number): number {
  const size = Math.abs(value);
  return Math.sign(value) * (size < LINEAR ? size / LINEAR : 1 + Math.log10(size / LINEAR));
}

/** What the gradient foretold of each step's effect on the canaries, against what was measured. */
export function Scatter({ all }: { all: readonly Forecast[] }) {
  if (all.length === 0) return <p className="dim">No step was probed with a forecast yet.</p>;
  const right = all.filter((one) => one.predicted > 0 === one.measured > 0).length;
  const reach =
    Math.max(
      1.5,
      ...all.flatMap((one) => [Math.abs(symlog(one.predicted)), Math.abs(symlog(one.measured))]),
    ) * 1.1;
  const x = (value: number) => SIZE / 2 + (symlog(value) / reach) * (SIZE / 2 - 8);
  const y = (value: number) => SIZE / 2 - (symlog(value) / reach) * (SIZE / 2 - 8);
  const sentence = `The sign was foretold in ${percent(right / all.length)} of ${all.length} probed chunks.`;
  return (
    <div className="stack gap-1">
      <svg className="ch" viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={sentence}>
        <rect x="0" y="0" width={SIZE} height={SIZE / 2} fill="var(--d-failed-soft)" />
        <path d={`M0 ${SIZE / 2}H${SIZE}M${SIZE / 2} 0V${SIZE}`} stroke="var(--axis)" />
        <path d={`M0 ${SIZE}L${SIZE} 0`} stroke="var(--ink-3)" strokeDasharray="2 3" />
        <text x="4" y="12">
          harm, missed
        </text>
        <text x={SIZE - 4} y="12" textAnchor="end">
          harm, foretold
        </text>
        <text x="4" y={SIZE - 5}>
          harmless, foretold
        </text>
        <text x={SIZE - 4} y={SIZE - 5} textAnchor="end">
          false alarm
        </text>
        {all.map((one, n) => (
          <circle
            // biome-ignore lint/suspicious/noArrayIndexKey: chunks only grow in number.
            key={n}
            cx={x(one.predicted)}
            cy={y(one.measured)}
            r="3"
            fill={one.decision === "reverted" ? "none" : `var(--d-${one.decision})`}
            stroke={`var(--d-${one.decision})`}
          >
            <title>{`foretold ${signed(one.predicted)}, measured ${signed(one.measured)}`}</title>
          </circle>
        ))}
      </svg>
      <p className="xs text-ink-2">
        Across: foretold by the gradient; upward: measured; nats, symlog with a linear zone of
        0.001. {sentence} What decides is the probe.
      </p>
    </div>
  );
}
