import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { takeText } from "@/api/client";
import type { Job } from "@/api/types";
import type { Decision } from "@/lib/decisions";
import { ago } from "@/lib/format";
import { useJobActs } from "@/lib/queries";
import { ScrollBox } from "./ScrollBox";
import { ErrorNote } from "./States";

const SHOWN: Readonly<Record<Job["status"], Decision | "none">> = {
  queued: "none",
  running: "running",
  completed: "committed",
  failed: "failed",
  cancelled: "reverted",
  interrupted: "blocked",
};

function Output({ jobId }: { jobId: string }) {
  const output = useQuery({
    queryKey: ["output", jobId],
    queryFn: () => takeText(`/api/jobs/${jobId}/output`),
    refetchInterval: 3000,
  });
  return (
    <ScrollBox label="what its process printed" className="max-h-60 bg-sunken p-2">
      <pre className="xs whitespace-pre-wrap">
        {output.data ? output.data.slice(-6000) : "nothing printed yet"}
      </pre>
    </ScrollBox>
  );
}

/** One job: how it stands, how far it is, and what can be done with it. */
export function JobRow({ job }: { job: Job }) {
  const { cancel, resume } = useJobActs();
  const [open, setOpen] = useState(false);
  const waits = job.status === "queued" || job.status === "running";
  const broke = ["failed", "cancelled", "interrupted"].includes(job.status);
  const fault = cancel.error ?? resume.error;
  return (
    <li className="border-b border-line last:border-0 p-3 stack gap-1">
      <div className="row wrap">
        <span className={`decision d-${SHOWN[job.status]}`}>{job.status}</span>
        <span className="mono">{job.job_id}</span>
        <span className="truncate">{job.title}</span>
        <span className="dim xs ml-auto">{ago(job.created, Date.now())}</span>
      </div>
      {waits && job.total > 0 ? (
        <progress
          className="w-full h-2"
          value={job.done}
          max={job.total}
          aria-label={`${job.job_id}, ${job.stage}`}
        />
      ) : null}
      <div className="row wrap xs text-ink-2">
        <span>
          {job.stage.replaceAll("_", " ")}{" "}
          {job.total > 0 ? `${job.done} of ${job.total}` : job.done || ""}{" "}
          {waits ? job.note : job.message}
        </span>
        <span className="ml-auto row">
          <button
            type="button"
            className="btn quiet sm"
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            output
          </button>
          {waits ? (
            <button type="button" className="btn sm" onClick={() => cancel.mutate(job.job_id)}>
              Cancel the job
            </button>
          ) : null}
          {broke ? (
            <button type="button" className="btn sm" onClick={() => resume.mutate(job.job_id)}>
              Resume the job
            </button>
          ) : null}
        </span>
      </div>
      {fault ? <ErrorNote error={fault} /> : null}
      {open ? <Output jobId={job.job_id} /> : null}
    </li>
  );
}
