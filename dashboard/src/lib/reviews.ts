import { useQuery } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import type { ReviewQueue, Verdict } from "@/api/types";
import { useAct } from "./queries";

/** Nano sessions, or conversations. */
export type Domain = "nano" | "chat";
const PATHS = { nano: "/api/anomalies", chat: "/api/text/anomalies" } as const;

/** Says something of a commit. */
export function useReview(domain: Domain) {
  return useAct(
    ({ place, ...said }: { place: string; verdict: Verdict; note: string }) =>
      take(api.POST(PATHS[domain], { body: { review: place, ...said } })),
    ["reviews", domain === "nano" ? "nano-log" : "text-log"],
  );
}

/** What stands out over all sessions of a domain, and what was said of commits so far. */
export function useReviewQueue(domain: Domain, enabled: boolean) {
  return useQuery({
    queryKey: ["reviews", domain],
    enabled,
    queryFn: () => take<ReviewQueue>(api.GET(PATHS[domain], { params: { query: { limit: 20 } } })),
  });
}
