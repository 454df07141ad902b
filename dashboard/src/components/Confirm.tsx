import { useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";

interface ConfirmProps {
  readonly title: string;
  /** What will happen, and what cannot be undone. */
  readonly children: React.ReactNode;
  readonly action: string;
  readonly danger?: boolean;
  /** A name to be typed first, for what cannot be undone. */
  readonly typed?: string;
  readonly onClose: (confirmed: boolean) => void;
}

/** Asks before an act of consequence; the safe answer has the focus, and Esc gives it. */
export function Confirm(props: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [name, setName] = useState("");
  useEffect(() => dialog.current?.showModal(), []);
  const ready = props.typed === undefined || name === props.typed;
  // Beside the page, so that it looks alike wherever it is asked from.
  return createPortal(
    <dialog
      ref={dialog}
      role="alertdialog"
      aria-label={props.title}
      onCancel={() => props.onClose(false)}
    >
      <h2>{props.title}</h2>
      <div className="stack mt-2">{props.children}</div>
      {props.typed === undefined ? null : (
        <label className="stack gap-1 mt-2 xs">
          Type {props.typed} to go on
          <input
            className="inp wide"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </label>
      )}
      <div className="acts">
        <button type="button" className="btn" onClick={() => props.onClose(false)}>
          Keep everything as it is
        </button>
        <button
          type="button"
          className={`btn pri ${props.danger ? "danger" : ""}`}
          disabled={!ready}
          onClick={() => props.onClose(true)}
        >
          {props.action}
        </button>
      </div>
    </dialog>,
    document.body,
  );
}
