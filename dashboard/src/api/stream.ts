import { EventParser, type StreamEvent } from "@/lib/sse";
import { ApiError, guarded } from "./client";

const PAUSES_MS = [500, 1000, 2000, 4000] as const;

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** The events of one answer, as they come; leaving the loop hangs up. */
export async function* eventsOf(request: Request): AsyncGenerator<StreamEvent> {
  const answer = await guarded(request);
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

interface Follower {
  readonly onEvent: (event: StreamEvent) => void;
  /** Called when the connection comes and goes. */
  readonly onState?: (connected: boolean) => void;
  /** Whether an event is the last one. */
  readonly isLast?: (event: StreamEvent) => boolean;
}

/** Follows a stream until it ends or is given up; a lost connection is taken up where it broke. */
export async function follow(path: string, signal: AbortSignal, to: Follower): Promise<void> {
  let last = "";
  let failures = 0;
  while (!signal.aborted) {
    const request = new Request(new URL(path, location.origin), {
      signal,
      headers: last === "" ? {} : { "Last-Event-ID": last },
    });
    try {
      to.onState?.(true);
      for await (const event of eventsOf(request)) {
        failures = 0;
        if (event.id !== "") last = event.id;
        to.onEvent(event);
        if (to.isLast?.(event)) return;
      }
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) return;
    }
    if (signal.aborted) return;
    to.onState?.(false);
    await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 4000, signal);
    failures += 1;
  }
}
