import { useEffect, useRef } from "react";
import { useShortcutRegistry } from "@/lib/shortcuts";

/** The shortcuts that exist, from the registry that carries them out. */
export function KeySheet({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const all = useShortcutRegistry((state) => state.all);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label="shortcuts" onClose={onClose}>
      <h2>Shortcuts of this screen</h2>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 mt-2">
        {all.map((one) => (
          <div key={one.key + one.does} className="contents">
            <dt>
              <kbd>{one.key}</kbd>
            </dt>
            <dd>{one.does}</dd>
          </div>
        ))}
      </dl>
      <div className="acts">
        <button type="button" className="btn" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}
