import { compact } from "@/lib/format";

const STEPS = ["--div-n3", "--div-n2", "--div-n1", "--div-0", "--div-1", "--div-2", "--div-3"];

/** A matrix around zero: orange is positive, blue negative; the scale is drawn with its ends. */
export function Heatmap({
  values,
  name,
}: {
  values: readonly (readonly number[])[];
  name: string;
}) {
  const rows = values.length;
  const columns = values[0]?.length ?? 0;
  const reach = Math.max(1e-12, ...values.flat().map(Math.abs));
  const colour = (value: number) => `var(${STEPS[Math.round((value / reach + 1) * 3)]})`;
  return (
    <div className="stack gap-1">
      <svg
        viewBox={`0 0 ${columns} ${rows}`}
        className="w-full max-h-56"
        preserveAspectRatio="none"
        shapeRendering="crispEdges"
        role="img"
        aria-label={`${name}: ${rows} by ${columns} entries from ${compact(-reach)} to ${compact(reach)}`}
      >
        {values.map((row, y) =>
          row.map((value, x) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a place in a matrix is its identity.
            <rect key={`${x},${y}`} x={x} y={y} width="1.02" height="1.02" fill={colour(value)} />
          )),
        )}
      </svg>
      <p className="row xs dim" aria-hidden="true">
        {compact(-reach)}
        <span className="flex">
          {STEPS.map((step) => (
            <span key={step} className="w-4 h-2" style={{ background: `var(${step})` }} />
          ))}
        </span>
        {compact(reach)}
      </p>
    </div>
  );
}
