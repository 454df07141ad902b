import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import type { Commit, Index, Job, Model, SessionRow, SleepStatus } from "@/api/types";

/** What there is. */
export function useIndex() {
  return useQuery({
    queryKey: ["index"],
    queryFn: () => take<Index>(api.GET("/api/index")),
    refetchInterval: 15_000,
  });
}

/** Jobs of a kind, or all, the newest first. */
export function useJobs(kind = "") {
  return useQuery({
    queryKey: ["jobs", kind],
    queryFn: () =>
      take<{ total: number; jobs: Job[] }>(
        api.GET("/api/jobs", { params: { query: kind ? { kind, limit: 50 } : { limit: 50 } } }),
      ),
  });
}

const PAGE = 500;

/** Every row of a list that comes in pages. */
export async function everyRow<Row>(
  page: (query: { offset: number; limit: number }) => Promise<readonly Row[]>,
): Promise<Row[]> {
  const all: Row[] = [];
  for (;;) {
    const rows = await page({ offset: all.length, limit: PAGE });
    all.push(...rows);
    if (rows.length < PAGE) return all;
  }
}

/** Conversations, the newest first. */
export function useTextSessions() {
  return useQuery({
    queryKey: ["text-sessions"],
    queryFn: async () => {
      const found = await everyRow(
        async (query) =>
          (
            await take<{ sessions: SessionRow[] }>(
              api.GET("/api/text/sessions", { params: { query } }),
            )
          ).sessions,
      );
      return found.sort((a, b) => b.head_time.localeCompare(a.head_time));
    },
  });
}

/** The commits of a conversation, the oldest first. */
export function useTextLog(sessionId: string | undefined, limit = 500) {
  return useQuery({
    queryKey: ["text-log", sessionId, limit],
    enabled: sessionId !== undefined,
    queryFn: async () => {
      const found = await take<{ commits: Commit[] }>(
        api.GET("/api/text/sessions/{session_id}/log", {
          params: { path: { session_id: sessionId ?? "" }, query: { limit } },
        }),
      );
      return [...found.commits].reverse();
    },
  });
}

/** Every text model. */
export function useModels() {
  return useQuery({
    queryKey: ["models"],
    queryFn: async () => (await take<{ models: Model[] }>(api.GET("/api/text/models"))).models,
  });
}

/** Which base is current, and every decision about it. */
export function useSleepStatus() {
  return useQuery({
    queryKey: ["sleep"],
    queryFn: () => take<SleepStatus>(api.GET("/api/sleep")),
  });
}

/** Something that changes what some queries show. */
export function useAct<Given, Answer>(
  act: (given: Given) => Promise<Answer>,
  touches: readonly string[],
  then?: (answer: Answer, given: Given) => void,
) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: (answer, given) => {
      for (const key of [...touches, "index"]) void queries.invalidateQueries({ queryKey: [key] });
      then?.(answer, given);
    },
  });
}

/** Asks a job to stop, or to go on. */
export function useJobActs() {
  const cancel = useAct(
    (job_id: string) =>
      take<Job>(api.POST("/api/jobs/{job_id}/cancel", { params: { path: { job_id } } })),
    ["jobs", "trainings"],
  );
  const resume = useAct(
    (job_id: string) =>
      take<Job>(api.POST("/api/jobs/{job_id}/resume", { params: { path: { job_id } } })),
    ["jobs", "trainings"],
  );
  return { cancel, resume };
}
