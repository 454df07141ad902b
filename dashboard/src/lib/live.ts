import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { create } from "zustand";
import { follow } from "@/api/stream";
import { clock } from "@/lib/format";

interface LiveState {
  readonly connected: boolean;
  /** The newest event, in a few words. */
  readonly last: string | null;
}

/** Whether events arrive, and what the last one was. */
export const useLive = create<LiveState>(() => ({ connected: true, last: null }));

const TOUCHED: Readonly<Record<string, readonly string[]>> = {
  job: ["jobs", "index", "runs", "models", "sleep", "trainings"],
  "chat.done": ["text-sessions", "text-log"],
  "chat.new": ["text-sessions", "index"],
  "chat.reset": ["text-sessions", "text-log"],
};
/** What an ended nano job has changed; lists of sessions are long, so only then. */
const NANO = ["sessions", "nano-log", "nano-runs"] as const;
const BATCH_MS = 250;

function touchedBy(event: string, data: unknown): readonly string[] | undefined {
  const keys = TOUCHED[event];
  const { kind, ended } = data as Record<string, string | undefined>;
  return event === "job" && ended && kind?.startsWith("nano") ? [...(keys ?? []), ...NANO] : keys;
}

function words(kind: string, data: unknown): string {
  const { session_id, job_id, status } = data as Record<string, string | undefined>;
  const what = session_id ?? job_id ?? "";
  return `${clock(new Date().toISOString())} ${kind} ${what} ${status ?? ""}`.trim();
}

/** Follows the events of the service, and lets every query look again that they touch. */
export function useLiveEvents(ready: boolean): void {
  const queries = useQueryClient();
  useEffect(() => {
    if (!ready) return;
    const stop = new AbortController();
    let touched = new Set<string>();
    const timer = setInterval(() => {
      for (const key of touched) void queries.invalidateQueries({ queryKey: [key] });
      touched = new Set();
    }, BATCH_MS);
    void follow("/api/events", stop.signal, {
      onState: (connected) => {
        const before = useLive.getState().connected;
        useLive.setState({ connected });
        if (connected && !before) void queries.invalidateQueries();
      },
      onEvent: ({ event, data }) => {
        const told: unknown = JSON.parse(data);
        const keys = touchedBy(event, told);
        if (!keys) return;
        for (const key of keys) touched.add(key);
        useLive.setState({ last: words(event, told) });
      },
    });
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [queries, ready]);
}
