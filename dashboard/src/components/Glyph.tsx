import type { Decision } from "@/lib/decisions";

const SHAPES: Readonly<Record<Decision, React.ReactNode>> = {
  committed: <circle cx="6" cy="6" r="5" fill="currentColor" />,
  shortened: (
    <>
      <circle cx="6" cy="6" r="4.3" fill="none" stroke="currentColor" strokeWidth="1.4" />
      <path d="M1.7 6a4.3 4.3 0 0 0 8.6 0z" fill="currentColor" />
    </>
  ),
  blocked: (
    <>
      <rect x="1" y="1" width="10" height="10" rx="1" fill="currentColor" />
      <path d="M3 6h6" stroke="var(--panel)" strokeWidth="1.8" />
    </>
  ),
  reverted: <path d="M10 1.5v9L2 6z" fill="none" stroke="currentColor" strokeWidth="1.5" />,
  failed: <path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" strokeWidth="2" />,
  running: (
    <>
      <path d="M6 1.5a4.5 4.5 0 1 1-4.5 4.5" fill="none" stroke="currentColor" strokeWidth="1.5" />
      <circle cx="6" cy="6" r="1.6" fill="currentColor" />
    </>
  ),
};

/** The shape of a decision, for text, tape and charts; the word stands beside it. */
export function Glyph({ decision }: { decision: Decision }) {
  return (
    <svg className={`glyph d-${decision}`} viewBox="0 0 12 12" aria-hidden="true">
      {SHAPES[decision]}
    </svg>
  );
}

/** Glyph and word. */
export function DecisionLabel({ decision, count }: { decision: Decision; count?: number }) {
  return (
    <span className={`decision d-${decision}`}>
      <Glyph decision={decision} />
      {decision}
      {count === undefined ? null : ` ${count}`}
    </span>
  );
}
