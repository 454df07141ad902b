import { useEffect, useState } from "react";
import { ErrorNote } from "@/components/States";
import type { Sending } from "./useSending";

/** Where a message is written; Enter sends it, Esc stops the answer. */
export function Composer(props: { sending: Sending; learning: boolean; left: number }) {
  const { sending } = props;
  const [text, setText] = useState("");
  const [learn, setLearn] = useState(true);
  const busy = sending.message !== null;
  useEffect(() => {
    if (!busy) return;
    const listen = (event: KeyboardEvent) => event.key === "Escape" && sending.stop();
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [busy, sending.stop]);
  const send = async () => {
    const said = text.trim();
    if (said === "" || busy) return;
    setText("");
    if (!(await sending.send(said, learn))) setText(said);
  };
  return (
    <form
      className="border-t border-line p-3 stack"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      {sending.error ? <ErrorNote error={sending.error} /> : null}
      <textarea
        className="inp wide p-2"
        rows={3}
        aria-label="message"
        placeholder="Write a message; each 128 tokens make one guarded step"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            void send();
          }
        }}
      />
      <div className="row wrap">
        <label className="row">
          <input
            type="checkbox"
            role="switch"
            className="switch"
            aria-checked={learn && props.learning}
            checked={learn && props.learning}
            disabled={!props.learning}
            onChange={(event) => setLearn(event.target.checked)}
          />
          Learn from this message
        </label>
        <span className="xs dim">
          {props.learning
            ? `the next step may use at most ${Math.max(0, props.left).toFixed(4)} nats`
            : "learning is off for this session"}
        </span>
        <span className="ml-auto row">
          {busy ? (
            <button type="button" className="btn" onClick={sending.stop}>
              Stop the answer <kbd>Esc</kbd>
            </button>
          ) : null}
          <button type="submit" className="btn pri" disabled={busy || text.trim() === ""}>
            Send
          </button>
        </span>
      </div>
    </form>
  );
}
