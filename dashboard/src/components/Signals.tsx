import { compact } from "@/lib/format";

export interface Signal {
  readonly name: string;
  readonly value: number | null | undefined;
  readonly limit?: number | null | undefined;
  /** Which side of the limit is allowed. */
  readonly side?: "at most" | "at least";
  readonly shown?: string;
}

function isOver({ value, limit, side }: Signal): boolean {
  if (value === null || value === undefined || limit === null || limit === undefined) return false;
  return side === "at least" ? value < limit : value > limit;
}

/** Readings against their limits; every limit stands at the same place of its track. */
export function Signals({ all, decision = "none" }: { all: readonly Signal[]; decision?: string }) {
  return (
    <dl className={`sig d-${decision}`}>
      {all.map((one) => {
        const limited = one.limit !== null && one.limit !== undefined && one.limit > 0;
        const scale = limited ? (one.limit ?? 1) * 1.5 : Math.abs(one.value ?? 0) * 2 || 1;
        const width = Math.min(100, (Math.max(0, one.value ?? 0) / scale) * 100);
        const over = isOver(one);
        return (
          <div key={one.name} className={over ? "over" : ""}>
            <dt>{one.name}</dt>
            <dd className={limited ? "t lim" : "t"} aria-hidden="true">
              <i style={{ width: `${width}%` }} />
            </dd>
            <dd className="v">
              {one.shown ?? compact(one.value)}
              {over ? <span className="sr"> (over its limit)</span> : null}
            </dd>
            <dd className="l">
              {limited ? `${one.side === "at least" ? "≥" : "≤"} ${compact(one.limit)}` : ""}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}
