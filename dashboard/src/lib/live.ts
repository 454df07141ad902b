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
const BATCH_MS = 250;

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
        const keys = TOUCHED[event];
        if (!keys) return;
        for (const key of keys) touched.add(key);
        useLive.setState({ last: words(event, JSON.parse(data)) });
      },
    });
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [queries, ready]);
}
