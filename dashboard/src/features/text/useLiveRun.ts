import { useEffect, useState } from "react";
import { follow } from "@/api/stream";
import type { Chunk, Job } from "@/api/types";

export interface LiveRun {
  readonly chunks: readonly Chunk[];
  readonly job: Job | null;
}

const BATCH_MS = 250;
const NOTHING: LiveRun = { chunks: [], job: null };

/** The chunks of a running job as they come, a few times a second. */
export function useLiveRun(jobId: string | undefined): LiveRun {
  const [run, setRun] = useState<LiveRun>(NOTHING);
  useEffect(() => {
    setRun(NOTHING);
    if (jobId === undefined) return;
    const stop = new AbortController();
    const chunks: Chunk[] = [];
    let job: Job | null = null;
    let fresh = false;
    const show = () => {
      if (fresh) setRun({ chunks: [...chunks], job });
      fresh = false;
    };
    const timer = setInterval(show, BATCH_MS);
    void follow(`/api/jobs/${jobId}/events`, stop.signal, {
      onEvent: ({ event, data }) => {
        const told = JSON.parse(data);
        if (event === "told" && "outcome" in told) chunks.push(told as Chunk);
        if (event === "status") job = told as Job;
        fresh = true;
      },
      isLast: ({ event }) => event === "end",
    }).then(show);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [jobId]);
  return run;
}
