import { useState } from "react";
import { Link } from "react-router";
import type { ReviewQueue, Verdict } from "@/api/types";
import { Panel } from "@/components/Panel";
import { Empty, ErrorNote, Found } from "@/components/States";
import { compact, signed } from "@/lib/format";
import { type Domain, useReview, useReviewQueue } from "@/lib/reviews";

interface Case {
  readonly commit: string;
  readonly why: string;
  readonly verdicts: readonly Verdict[];
}

const ACTS: Readonly<Record<Verdict, string>> = {
  confirm: "Confirm",
  dismiss: "Dismiss",
  flag: "Flag",
};

/** What is open: flagged first, then what stands out and nobody has looked at. */
function casesOf(queue: ReviewQueue): Case[] {
  const flagged = queue.reviews.filter((one) => one.verdict === "flag");
  return [
    ...flagged.map((one) => ({
      commit: one.commit,
      why: `flagged${one.note ? `: ${one.note}` : ""}`,
      verdicts: ["confirm", "dismiss"] as const,
    })),
    ...queue.outliers
      .filter((one) => one.verdict === null)
      .map((one) => ({
        commit: one.commit,
        why: `${one.figure} ${compact(one.value)} lies ${signed(one.z, 1)} robust deviations from the median`,
        verdicts: ["confirm", "dismiss", "flag"] as const,
      })),
  ];
}

function Cases({ domain, queue }: { domain: Domain; queue: ReviewQueue }) {
  const review = useReview(domain);
  const cases = casesOf(queue);
  if (cases.length === 0) {
    return (
      <Empty
        what="Nothing is open."
        where="No input is flagged, and none stands out by six robust deviations or more."
        command={domain === "nano" ? "ttt nano outliers" : "ttt chat outliers"}
      />
    );
  }
  return (
    <ul>
      {review.error ? <ErrorNote error={review.error} /> : null}
      {cases.map((one) => (
        <li key={one.commit} className="p-3 border-b border-line last:border-0 stack gap-1">
          <div className="row wrap">
            <Link className="link mono" to={`/${domain}/${one.commit.split(":")[0]}`}>
              {one.commit}
            </Link>
            <span className="row ml-auto">
              {one.verdicts.map((verdict) => (
                <button
                  key={verdict}
                  type="button"
                  className="btn quiet sm"
                  disabled={review.isPending}
                  onClick={() => review.mutate({ place: one.commit, verdict, note: "" })}
                >
                  {ACTS[verdict]}
                  <span className="sr"> {one.commit}</span>
                </button>
              ))}
            </span>
          </div>
          <span className="xs text-ink-2">{one.why}</span>
        </li>
      ))}
    </ul>
  );
}

/** Inputs that a person should look at, of one domain at a time. */
export function Reviews() {
  const [domain, setDomain] = useState<Domain | null>(null);
  const queue = useReviewQueue(domain ?? "chat", domain !== null);
  return (
    <Panel
      title="For review"
      hint="flagged, and what stands out over all sessions"
      flush
      actions={
        <span className="row">
          {(["chat", "nano"] as const).map((one) => (
            <button
              key={one}
              type="button"
              className="btn sm"
              aria-pressed={one === domain}
              onClick={() => setDomain(one)}
            >
              Look through {one}
            </button>
          ))}
        </span>
      }
    >
      {domain === null ? (
        <p className="p-3 text-ink-2">
          Every commit is compared with all others of its kind: a loss or a norm that lies far from
          the median stands out. What somebody flagged stands here, too.
        </p>
      ) : (
        <Found query={queue}>{(found) => <Cases domain={domain} queue={found} />}</Found>
      )}
    </Panel>
  );
}
