import { countDecisions, type Decision } from "@/lib/decisions";

interface TapeProps {
  readonly marks: readonly Decision[];
  /** What each mark stands for, in the plural. */
  readonly unit?: string;
  readonly onPick?: (index: number) => void;
}

const STEP = 10;

function Mark({ decision, x }: { decision: Decision; x: number }) {
  switch (decision) {
    case "committed":
      return <rect x={x + 2} y="2" width="5" height="20" fill="var(--d-committed)" />;
    case "shortened":
      return (
        <>
          <rect x={x + 2.5} y="2.5" width="4" height="19" fill="none" stroke="var(--d-shortened)" />
          <rect x={x + 2} y="12" width="5" height="10" fill="var(--d-shortened)" />
        </>
      );
    case "blocked":
      return <rect x={x + 1} y="17" width="7" height="5" fill="var(--d-blocked)" />;
    case "reverted":
      return (
        <path d={`M${x + 8} 4v16l-7-8z`} fill="none" stroke="var(--d-reverted)" strokeWidth="1.5" />
      );
    case "failed":
      return (
        <path
          d={`M${x + 1.5} 8l6 8m0-8l-6 8`}
          stroke="var(--d-failed)"
          strokeWidth="2"
          fill="none"
        />
      );
    default:
      return (
        <rect
          x={x + 2.5}
          y="2.5"
          width="4"
          height="19"
          fill="none"
          stroke="var(--d-running)"
          strokeDasharray="2 2"
        />
      );
  }
}

/** A session or run at a glance: one mark for each attempt, the oldest on the left. */
export function Tape({ marks, unit = "attempts", onPick }: TapeProps) {
  const sum = countDecisions(marks)
    .map(([decision, n]) => `${n} ${decision}`)
    .join(", ");
  const label = marks.length === 0 ? `no ${unit} yet` : `${marks.length} ${unit}: ${sum}`;
  const width = Math.max(marks.length, 24) * STEP;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the same chunks are listed below, by keyboard.
    <svg
      className="tape"
      viewBox={`0 0 ${width} 24`}
      preserveAspectRatio={marks.length > 60 ? "none" : "xMinYMid meet"}
      role="img"
      aria-label={label}
      onClick={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        const index = Math.floor(((event.clientX - box.left) / box.width) * (width / STEP));
        if (index < marks.length) onPick?.(index);
      }}
    >
      <title>{label}</title>
      <path d={`M0 23.5H${width}`} stroke="var(--line)" strokeDasharray="1 9" />
      {marks.map((decision, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a tape only grows; its places never move.
        <Mark key={n} decision={decision} x={n * STEP} />
      ))}
    </svg>
  );
}
