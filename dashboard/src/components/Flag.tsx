import { useState } from "react";
import type { Commit, Verdict } from "@/api/types";
import { type Domain, useReview } from "@/lib/reviews";
import { Confirm } from "./Confirm";
import { ErrorNote } from "./States";

export const SAID: Readonly<Record<Verdict, string>> = {
  confirm: "confirmed",
  dismiss: "dismissed",
  flag: "flagged",
};

/** What a person said of a commit, if anything. */
export function Said({ review }: { review: Commit["review"] }) {
  return review ? (
    <span className="tag ml-1" title={review.note}>
      {SAID[review.verdict]}
    </span>
  ) : null;
}

/** Flags a commit as a case for review; a later word on it counts more. */
export function FlagButton(props: { domain: Domain; commit: Commit; word: string }) {
  const { domain, commit } = props;
  const [open, setOpen] = useState(false);
  const [note, setNote] = useState("");
  const review = useReview(domain);
  return (
    <>
      <button type="button" className="btn quiet sm" onClick={() => setOpen(true)}>
        {props.word}
        <span className="sr"> c{commit.n}</span>
      </button>
      {review.error ? <ErrorNote error={review.error} /> : null}
      {open ? (
        <Confirm
          title={`Flag c${commit.n} for review?`}
          action="Flag it"
          onClose={(confirmed) => {
            if (confirmed) {
              review.mutate({ place: `${commit.session_id}:${commit.n}`, verdict: "flag", note });
            }
            setOpen(false);
            setNote("");
          }}
        >
          <p>
            It stays as it is, and stands in the list of the overview until somebody confirms or
            dismisses it. Every word on it is kept.
          </p>
          <label className="stack gap-1 xs">
            Why, for whoever reads it later
            <input
              className="inp wide"
              value={note}
              maxLength={2000}
              onChange={(event) => setNote(event.target.value)}
            />
          </label>
        </Confirm>
      ) : null}
    </>
  );
}
