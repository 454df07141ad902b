import { useQueries, useQuery } from "@tanstack/react-query";
import { api, take, takeText } from "@/api/client";
import type { Commit, SessionRow, TensorDiff, Weights } from "@/api/types";
import { columnsOf } from "@/lib/curves";
import { everyRow } from "@/lib/queries";

/** All nano sessions, the oldest first, so that their order does not change under the pointer. */
export function useSessions() {
  return useQuery({
    queryKey: ["sessions"],
    queryFn: async () => {
      const found = await everyRow(
        async (query) =>
          (await take<{ sessions: SessionRow[] }>(api.GET("/api/sessions", { params: { query } })))
            .sessions,
      );
      return found.sort((a, b) => a.created_at.localeCompare(b.created_at));
    },
  });
}

/** A session's commits, the newest first. */
export function useLog(sessionId: string | undefined) {
  return useQuery({
    queryKey: ["nano-log", sessionId],
    enabled: sessionId !== undefined,
    queryFn: async () =>
      (
        await take<{ commits: Commit[] }>(
          api.GET("/api/sessions/{session_id}/log", {
            params: { path: { session_id: sessionId ?? "" }, query: { limit: 500 } },
          }),
        )
      ).commits,
  });
}

/** The names of a session's runs. */
export function useRunsOf(sessionId: string | undefined) {
  return useQuery({
    queryKey: ["nano-runs", sessionId],
    enabled: sessionId !== undefined,
    queryFn: async () =>
      (
        await take<{ runs: string[] }>(
          api.GET("/api/sessions/{session_id}/runs", {
            params: { path: { session_id: sessionId ?? "" } },
          }),
        )
      ).runs,
  });
}

export interface RunPlace {
  readonly sessionId: string;
  readonly runId: string;
}

/** The steps of some runs, column by column. */
export function useSteps(places: readonly RunPlace[]) {
  return useQueries({
    queries: places.map(({ sessionId, runId }) => ({
      queryKey: ["nano-steps", sessionId, runId],
      staleTime: Number.POSITIVE_INFINITY,
      queryFn: async () =>
        columnsOf(await takeText(`/api/sessions/${sessionId}/runs/${runId}/per_step.csv`)),
    })),
  });
}

/** Two commits, tensor by tensor; `a` may be of another session. */
export function useDiff(sessionId: string, a: string, b: string) {
  return useQuery({
    queryKey: ["nano-diff", sessionId, a, b],
    queryFn: async () =>
      (
        await take<{ tensors: TensorDiff[] }>(
          api.GET("/api/sessions/{session_id}/diff", {
            params: { path: { session_id: sessionId }, query: { a, b } },
          }),
        )
      ).tensors,
  });
}

/** The weights of a commit. */
export function useWeights(sessionId: string, n: string) {
  return useQuery({
    queryKey: ["nano-weights", sessionId, n],
    queryFn: async () =>
      (
        await take<{ weights: Weights[] }>(
          api.GET("/api/sessions/{session_id}/weights", {
            params: { path: { session_id: sessionId }, query: { n } },
          }),
        )
      ).weights,
  });
}

/** What an act on a session changes. */
export const TOUCHED = ["sessions", "nano-log", "nano-runs", "nano-diff", "nano-weights"] as const;
