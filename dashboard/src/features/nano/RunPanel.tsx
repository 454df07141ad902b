import { useState } from "react";
import { api, take } from "@/api/client";
import { Chart, type Series } from "@/components/Chart";
import { faultOf, NumberField, Segment } from "@/components/Controls";
import { JobRow } from "@/components/JobRow";
import { Panel } from "@/components/Panel";
import { Empty, ErrorNote } from "@/components/States";
import { compact } from "@/lib/format";
import { useAct, useJobs } from "@/lib/queries";
import { useUrlChoice, useUrlState } from "@/lib/urlState";
import { Playback } from "./Playback";
import { type RunPlace, TOUCHED, useSteps } from "./useNano";

const FIELDS = {
  steps: { label: "Steps", initial: "600", min: 1, max: 1_000_000, whole: true },
  seed: { label: "Seed of pushes and noise", initial: "1", min: 0, whole: true },
  noise_std: { label: "Noise", initial: "0", min: 0 },
  glitch_at: { label: "Sensor glitch at step", initial: "", min: 0, whole: true, optional: true },
  jump_at: { label: "Friction jumps at step", initial: "", min: 0, whole: true, optional: true },
} as const;
type Name = keyof typeof FIELDS;
/** A longer run is a job: the service answers shorter ones at once. */
const STEPS_AT_ONCE = 20_000;
const NAMES = Object.keys(FIELDS) as Name[];

/** Lets a session live on its plant for some steps. */
export function RunForm({ sessionId, onRan }: { sessionId: string; onRan: () => void }) {
  const [values, setValues] = useState(
    Object.fromEntries(NAMES.map((name) => [name, FIELDS[name].initial])) as Record<Name, string>,
  );
  const run = useAct(
    () => {
      const given = NAMES.filter((name) => values[name] !== "");
      const body = Object.fromEntries(given.map((name) => [name, Number(values[name])]));
      if (Number(values.steps) > STEPS_AT_ONCE) {
        return take(api.POST("/api/nano/runs", { body: { ...body, session_id: sessionId } }));
      }
      return take(
        api.POST("/api/sessions/{session_id}/run", {
          params: { path: { session_id: sessionId } },
          body,
        }),
      );
    },
    [...TOUCHED, "jobs"],
    onRan,
  );
  const jobs = useJobs("nano-run");
  const mine = jobs.data?.jobs.filter((job) => job.title === sessionId) ?? [];
  const fault = NAMES.some((name) => faultOf(values[name], FIELDS[name]) !== null);
  return (
    <Panel title="Run" hint="predict, learn, commit, chunk by chunk">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run.mutate(undefined);
        }}
      >
        {NAMES.map((name) => (
          <NumberField
            key={name}
            {...FIELDS[name]}
            value={values[name]}
            onChange={(value) => setValues({ ...values, [name]: value })}
          />
        ))}
        {run.error ? <ErrorNote error={run.error} /> : null}
        <button type="submit" className="btn pri mt-2" disabled={fault || run.isPending}>
          {run.isPending ? "Running…" : "Run the session"}
        </button>
        <p className="xs dim mt-2">More than {compact(STEPS_AT_ONCE)} steps run as a job.</p>
      </form>
      {mine.length > 0 ? (
        <ul className="mt-2" aria-label="long runs of this session">
          {mine.slice(0, 3).map((job) => (
            <JobRow key={job.job_id} job={job} />
          ))}
        </ul>
      ) : null}
    </Panel>
  );
}

function seriesOf(places: readonly RunPlace[], all: readonly Record<string, number[]>[]): Series[] {
  const [first] = all;
  if (all.length === 1 && first) {
    return [
      { name: "adaptive", slot: 1, values: first.adaptive_mse ?? [] },
      { name: "at the session's start", slot: 2, values: first.session_start_mse ?? [] },
      { name: "frozen base", slot: 6, values: first.base_mse ?? [] },
    ];
  }
  return all.map((one, n) => ({
    name: places[n]?.sessionId ?? "",
    slot: ((n % 6) + 1) as Series["slot"],
    values: one.adaptive_mse ?? [],
  }));
}

/** The curves of one run, or of the newest runs of several sessions over each other. */
export function RunCurves({ places }: { places: readonly RunPlace[] }) {
  const [scale, setScale] = useUrlChoice("scale", ["Log", "Linear"]);
  const [smoothing, setSmoothing] = useUrlState("smooth", "0.9");
  const found = useSteps(places);
  const all = found.flatMap((one) => (one.data ? [one.data] : []));
  const longest = all.reduce<number[]>(
    (best, one) => ((one.step?.length ?? 0) > best.length ? (one.step ?? []) : best),
    [],
  );
  const fault = found.find((one) => one.error)?.error;
  const first = all[0];
  return (
    <Panel
      title={
        places.length > 1 ? `Compare ${places.length} sessions` : `Run ${places[0]?.runId ?? ""}`
      }
      hint="squared error of each prediction, before it is learned from"
      actions={
        <>
          <label className="row xs text-ink-2">
            smoothing {smoothing}
            <input
              type="range"
              min="0"
              max="0.99"
              step="0.01"
              value={smoothing}
              onChange={(event) => setSmoothing(event.target.value)}
            />
          </label>
          <Segment label="error axis" words={["Log", "Linear"]} value={scale} onChange={setScale} />
        </>
      }
    >
      {fault ? <ErrorNote error={fault} /> : null}
      {all.length === places.length && all.length > 0 ? (
        <Chart
          title="Squared error"
          sentence={`The last adaptive error is ${compact(first?.adaptive_mse?.at(-1))}, that of the frozen base ${compact(first?.base_mse?.at(-1))}.`}
          xName="step"
          x={longest}
          series={seriesOf(places, all)}
          log={scale === "Log"}
          smoothing={Number(smoothing)}
          height={260}
          sync="nano"
          file={`nano-${places.map((one) => one.sessionId).join("-")}`}
        />
      ) : (
        <Empty what="Reading…" where="" />
      )}
      {places.length === 1 && first ? <Playback steps={first} /> : null}
    </Panel>
  );
}
