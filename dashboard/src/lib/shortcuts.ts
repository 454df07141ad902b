import { useEffect } from "react";
import { create } from "zustand";

export interface Shortcut {
  readonly key: string;
  readonly does: string;
  readonly run: () => void;
}

interface Registry {
  readonly all: readonly Shortcut[];
  readonly add: (shortcuts: readonly Shortcut[]) => () => void;
}

/** The shortcuts that exist on the screen that is shown; the sheet of keys shows exactly these. */
export const useShortcutRegistry = create<Registry>((set) => ({
  all: [],
  add: (shortcuts) => {
    set((state) => ({ all: [...state.all, ...shortcuts] }));
    return () => set((state) => ({ all: state.all.filter((one) => !shortcuts.includes(one)) }));
  },
}));

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Adds shortcuts while a part of a screen is there. `shortcuts` must be stable. */
export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  const add = useShortcutRegistry((state) => state.add);
  useEffect(() => add(shortcuts), [add, shortcuts]);
}

/** Listens for every registered key; once for the application. */
export function useShortcutListener(): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      const found = useShortcutRegistry.getState().all.find((one) => one.key === event.key);
      if (!found) return;
      event.preventDefault();
      found.run();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
}
