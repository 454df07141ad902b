import { useEffect, useRef } from "react";
import { receiptOfCommit } from "@/components/commits";
import { FlagButton, Said } from "@/components/Flag";
import { Receipt } from "@/components/Receipt";
import { Empty } from "@/components/States";
import { clock } from "@/lib/format";
import type { Turn } from "./turns";
import type { Sending } from "./useSending";

interface ConversationProps {
  readonly turns: readonly Turn[];
  readonly budget: number;
  readonly base: string;
  readonly sending: Sending;
  readonly onFork: (n: number) => void;
  readonly onUndo: (n: number) => void;
}

function Told({ turn, props }: { turn: Turn; props: ConversationProps }) {
  const { commit } = turn;
  const receipt = receiptOfCommit(commit.event, `c${commit.n}`, props.budget);
  const learned = commit.event.type === "update" && !commit.taken_back;
  return (
    <article>
      <div className={`msg user ${commit.taken_back ? "back" : ""}`}>
        <div className="who">
          <b>You</b> <span title={commit.time}>{clock(commit.time)}</span>
          {commit.taken_back ? <span className="tag">learning undone</span> : null}
          <Said review={commit.review} />
          <span className="acts">
            <button type="button" className="btn quiet sm" onClick={() => props.onFork(commit.n)}>
              Fork here<span className="sr"> at c{commit.n}</span>
            </button>
            <FlagButton domain="chat" commit={commit} word="Flag" />
            {learned ? (
              <button type="button" className="btn quiet sm" onClick={() => props.onUndo(commit.n)}>
                Undo learning<span className="sr"> of c{commit.n}</span>
              </button>
            ) : null}
          </span>
        </div>
        <p className="tx">{turn.message}</p>
      </div>
      {receipt ? <Receipt data={receipt} /> : <p className="xs dim">read, not learned from</p>}
      {turn.answer ? (
        <div className="msg answer">
          <div className="who">
            <b>{props.base}</b>
          </div>
          <p className="tx">{turn.answer.trim()}</p>
        </div>
      ) : null}
    </article>
  );
}

function OnItsWay({ sending, props }: { sending: Sending; props: ConversationProps }) {
  const receipt = sending.receipt ? receiptOfCommit(sending.receipt, "open", props.budget) : null;
  return (
    <article aria-busy="true">
      <div className="msg user">
        <div className="who">
          <b>You</b> now
        </div>
        <p className="tx">{sending.message}</p>
      </div>
      {receipt ? <Receipt data={receipt} /> : <p className="xs dim">judging…</p>}
      <div className="msg answer">
        <div className="who">
          <b>{props.base}</b> writes
        </div>
        <p className="tx">
          {sending.answer.trimStart()}
          <span className="caret" aria-hidden="true" />
        </p>
      </div>
    </article>
  );
}

/** The messages of a session, each with its receipt and its answer. */
export function Conversation(props: ConversationProps) {
  const end = useRef<HTMLDivElement>(null);
  const { turns, sending } = props;
  const length = turns.length + sending.answer.length;
  useEffect(() => {
    if (length > 0 && sending.message !== null) end.current?.scrollIntoView({ block: "nearest" });
  }, [length, sending.message]);
  if (turns.length === 0 && sending.message === null) {
    return (
      <Empty
        what="Nothing was said yet."
        where="Write a message below. What it teaches is judged, tried, probed, then kept or undone; the answer comes from the frozen base and what this session has learned."
      />
    );
  }
  return (
    <div role="log" aria-label="conversation">
      {turns.map((turn) => (
        <Told key={turn.commit.n} turn={turn} props={props} />
      ))}
      {sending.message === null ? null : <OnItsWay sending={sending} props={props} />}
      <div ref={end} />
    </div>
  );
}
