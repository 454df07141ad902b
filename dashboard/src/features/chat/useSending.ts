import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useRef, useState } from "react";
import { eventsOf } from "@/api/stream";
import type { CommitEvent } from "@/api/types";

export interface Sending {
  /** The message on its way; null if there is none. */
  readonly message: string | null;
  readonly receipt: CommitEvent | null;
  readonly answer: string;
  readonly error: Error | null;
  readonly send: (text: string, learn: boolean) => Promise<boolean>;
  /** Hangs up: the part of the answer that was written is kept. */
  readonly stop: () => void;
}

/** Sends a message and shows its receipt and answer as they come. */
export function useSending(sessionId: string): Sending {
  const queries = useQueryClient();
  const hangUp = useRef<AbortController | null>(null);
  const [message, setMessage] = useState<string | null>(null);
  const [receipt, setReceipt] = useState<CommitEvent | null>(null);
  const [answer, setAnswer] = useState("");
  const [error, setError] = useState<Error | null>(null);

  const send = useCallback(
    async (text: string, learn: boolean) => {
      const stop = new AbortController();
      hangUp.current = stop;
      setMessage(text);
      setReceipt(null);
      setAnswer("");
      setError(null);
      const body = {
        text,
        stream: true,
        // The same if the message is sent again: it is then learned once.
        request_id: crypto.randomUUID(),
        ...(learn ? {} : { learn: false }),
      };
      const url = new URL(`/api/text/sessions/${sessionId}/chat`, location.origin);
      const request = new Request(url, {
        method: "POST",
        signal: stop.signal,
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
      try {
        for await (const { event, data } of eventsOf(request)) {
          const told = JSON.parse(data);
          if (event === "receipt") setReceipt(told);
          if (event === "token") setAnswer((before) => before + told.text);
          if (event === "error") throw new Error(String(told.detail));
        }
      } catch (fault) {
        if (!stop.signal.aborted) {
          setError(fault as Error);
          setMessage(null);
          return false;
        }
        // The service commits the part that was written once it sees that nobody listens.
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      await queries.invalidateQueries({ queryKey: ["text-log", sessionId] });
      void queries.invalidateQueries({ queryKey: ["text-sessions"] });
      setMessage(null);
      return true;
    },
    [queries, sessionId],
  );
  const stop = useCallback(() => hangUp.current?.abort(), []);
  return { message, receipt, answer, error, send, stop };
}
