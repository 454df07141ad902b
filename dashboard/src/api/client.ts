import createClient from "openapi-fetch";
import type { paths } from "./schema";

/** An answer that was no success: problem JSON (RFC 9457). */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

/** The service does not answer at all. */
export class OfflineError extends Error {
  constructor() {
    super("The service does not answer. It is asked again by itself.");
  }
}

const KEY = "ttt-token";

/** Takes the token out of the address, where the printed link has it, and keeps it in this tab. */
export function takeToken(): void {
  const found = /[#&]token=([\w-]+)/.exec(location.hash);
  if (!found?.[1]) return;
  setToken(found[1]);
  history.replaceState(null, "", location.pathname + location.search);
}

export function setToken(token: string): void {
  sessionStorage.setItem(KEY, token.trim());
}

export function authorization(): Record<string, string> {
  return { Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` };
}

/** `fetch` with the token, and with failures as errors that say what failed. */
export async function guarded(request: Request): Promise<Response> {
  for (const [name, value] of Object.entries(authorization())) request.headers.set(name, value);
  const answer = await fetch(request).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new OfflineError();
  });
  if (answer.ok) return answer;
  const problem: unknown = await answer.json().catch(() => null);
  const detail = (problem as { detail?: string } | null)?.detail;
  throw new ApiError(answer.status, detail ?? `The service answered ${answer.status}.`);
}

/** Routes, parameters and bodies as the service's own document describes them. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: guarded });

/** What a request was answered. The document does not describe answers; `types.ts` does. */
export async function take<Answer>(asked: Promise<{ data?: unknown }>): Promise<Answer> {
  return (await asked).data as Answer;
}

/** A file of the service as text. */
export async function takeText(path: string): Promise<string> {
  return (await guarded(new Request(new URL(path, location.origin)))).text();
}
