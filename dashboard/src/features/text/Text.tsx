import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { api, take, takeText } from "@/api/client";
import type { Chunk, Job, RunCurve } from "@/api/types";
import { faultOf, Segment } from "@/components/Controls";
import { DecisionLabel } from "@/components/Glyph";
import { PageHead, Panel } from "@/components/Panel";
import { Empty, ErrorNote } from "@/components/States";
import { Tape } from "@/components/Tape";
import { countDecisions, DECISIONS, decisionOfChunk } from "@/lib/decisions";
import { count } from "@/lib/format";
import { useAct, useJobActs, useJobs } from "@/lib/queries";
import { saveText } from "@/lib/save";
import { type Shortcut, useShortcuts } from "@/lib/shortcuts";
import { useUrlChoice, useUrlState } from "@/lib/urlState";
import { ChunkCard } from "./ChunkCard";
import { Compare } from "./Compare";
import { LimitsPanel } from "./LimitsPanel";
import { changedOptions, DEFAULTS, LIMITS, type LimitName } from "./limits";
import { RunCharts } from "./RunCharts";
import { Scatter } from "./Scatter";
import { useLiveRun } from "./useLiveRun";
import { type RunView, viewOfChunks, viewOfCurve } from "./view";

const PAGE = 30;
const SOURCES = ["Demo", "Paste", "High entropy"] as const;

function useRuns() {
  return useQuery({
    queryKey: ["runs"],
    queryFn: () =>
      take<{ total: number; runs: string[] }>(
        api.GET("/api/text/runs", { params: { query: { limit: 500 } } }),
      ),
  });
}

function useCurve(runId: string | undefined, range: readonly [number, number] | null) {
  return useQuery({
    queryKey: ["curve", runId, range],
    enabled: runId !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
    queryFn: () =>
      take<RunCurve>(
        api.GET("/api/text/runs/{run_id}/curve", {
          params: {
            path: { run_id: runId ?? "" },
            query: range
              ? {
                  points: 1000,
                  begin: Math.max(0, Math.floor(range[0])),
                  end: Math.ceil(range[1]) + 1,
                }
              : { points: 1000 },
          },
        }),
      ),
  });
}

interface Report {
  readonly config: {
    readonly options: Readonly<Record<string, unknown>>;
    readonly bases: readonly string[];
  };
  readonly summary: {
    readonly gate_reasons: Readonly<Record<string, number>>;
    readonly decisions: Readonly<Record<string, number>>;
  };
}

function useReport(runId: string | undefined) {
  return useQuery({
    queryKey: ["report", runId],
    enabled: runId !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () =>
      JSON.parse(await takeText(`/api/text/runs/${runId}/report.json`)) as Report,
  });
}

function Chunks(props: {
  runId: string | undefined;
  live: readonly Chunk[];
  options: Readonly<Record<string, unknown>>;
  counts: Readonly<Record<string, number>>;
}) {
  const words = ["All", ...DECISIONS.slice(0, 5)] as const;
  const [which, setWhich] = useUrlChoice("show", words as unknown as readonly ["All", ...string[]]);
  const [place, setPlace] = useUrlState("chunk", "");
  const [limit, setLimit] = useState(PAGE);
  const saved = useQuery({
    queryKey: ["chunks", props.runId, which, limit],
    enabled: props.runId !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
    queryFn: () =>
      take<{ total: number; chunks: Chunk[] }>(
        api.GET("/api/text/runs/{run_id}/chunks", {
          params: {
            path: { run_id: props.runId ?? "" },
            query: { limit, decision: which === "All" ? [] : [which] },
          },
        }),
      ),
  });
  const live = props.live.filter((one) => which === "All" || decisionOfChunk(one) === which);
  const shown =
    props.runId === undefined ? live.slice(-limit).reverse() : (saved.data?.chunks ?? []);
  const total = props.runId === undefined ? live.length : (saved.data?.total ?? 0);
  const move = useCallback(
    (by: number) => {
      const at = shown.findIndex((one) => String(one.chunk_index) === place);
      const next = shown[Math.max(0, Math.min(shown.length - 1, at + by))];
      if (!next) return;
      setPlace(String(next.chunk_index));
      document.getElementById(`chunk-${next.chunk_index}`)?.scrollIntoView({ block: "nearest" });
    },
    [shown, place, setPlace],
  );
  const shortcuts = useMemo<Shortcut[]>(
    () => [
      { key: "j", does: "next chunk, inside the filter", run: () => move(1) },
      { key: "k", does: "chunk before", run: () => move(-1) },
    ],
    [move],
  );
  useShortcuts(shortcuts);
  return (
    <Panel
      title="Chunks"
      hint={`newest first, ${count(shown.length)} of ${count(total)} shown`}
      flush
      actions={
        <label className="row xs">
          show
          <select
            className="inp w-auto"
            value={which}
            onChange={(event) => setWhich(event.target.value as "All")}
          >
            {words.map((word) => (
              <option key={word} value={word}>
                {word} {word === "All" ? "" : (props.counts[word] ?? 0)}
              </option>
            ))}
          </select>
        </label>
      }
    >
      {shown.length === 0 ? (
        <Empty what="No such chunk." where="The filter leaves none of this run." />
      ) : null}
      {shown.map((chunk) => (
        <ChunkCard
          key={chunk.chunk_index}
          chunk={chunk}
          options={props.options}
          selected={place === String(chunk.chunk_index)}
        />
      ))}
      {shown.length < total ? (
        <div className="p-3">
          <button
            type="button"
            className="btn"
            onClick={() => setLimit(Math.min(500, limit + PAGE))}
          >
            Show {PAGE} more
          </button>
        </div>
      ) : null}
    </Panel>
  );
}

function GatePanel({ reasons }: { reasons: readonly (readonly [string, number])[] }) {
  const most = Math.max(1, ...reasons.map(([, n]) => n));
  return (
    <Panel title="Gate" hint="reasons in this run">
      {reasons.length === 0 ? (
        <p className="text-ink-2">
          It objected to nothing. The gate saves cost; the probe is the guard.
        </p>
      ) : (
        <dl className="grid grid-cols-[auto_1fr_auto] gap-x-2 gap-y-1 items-center">
          {reasons.map(([reason, n]) => (
            <div key={reason} className="contents">
              <dt className="mono">{reason}</dt>
              <dd className="meter d-blocked" aria-hidden="true">
                <i style={{ width: `${(n / most) * 100}%`, background: "var(--d-blocked)" }} />
              </dd>
              <dd className="text-right">{n}</dd>
            </div>
          ))}
        </dl>
      )}
    </Panel>
  );
}

function SavedRuns(props: {
  current: string | undefined;
  picked: readonly string[];
  onPick: (runs: readonly string[]) => void;
}) {
  const runs = useRuns();
  const all = runs.data?.runs ?? [];
  return (
    <Panel title="Saved runs" hint="tick two to compare" flush>
      {all.length === 0 ? (
        <Empty
          what="No run yet."
          where="Looked in text_runs of the artifact tree."
          command="ttt monitor --demo --artifacts_root artifacts"
        />
      ) : (
        <ul className="side max-h-80 overflow-auto" tabIndex={-1}>
          {all.map((run) => (
            <li key={run} className="row">
              <input
                type="checkbox"
                className="ml-3"
                aria-label={`compare ${run}`}
                checked={props.picked.includes(run)}
                onChange={(event) =>
                  props.onPick(
                    event.target.checked
                      ? [...props.picked, run]
                      : props.picked.filter((one) => one !== run),
                  )
                }
              />
              <Link
                className="grow mono truncate"
                to={`/text/${run}`}
                aria-current={run === props.current ? "true" : undefined}
              >
                {run}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function reasonsOf(chunks: readonly Chunk[], report: Report | undefined): [string, number][] {
  const found: Record<string, number> = report ? { ...report.summary.gate_reasons } : {};
  if (!report)
    for (const reason of chunks.flatMap((one) => one.gate_reasons))
      found[reason] = (found[reason] ?? 0) + 1;
  return Object.entries(found).sort((a, b) => b[1] - a[1]);
}

function forecastsOf(view: RunView) {
  return view.index.flatMap((_, n) => {
    const [predicted, measured] = [view.predicted[n], view.canary[n]];
    return typeof predicted === "number" && typeof measured === "number"
      ? [{ predicted, measured, decision: view.decisions[n] ?? "failed" }]
      : [];
  });
}

/** Every chunk is judged, tried, probed, then kept or undone. */
export default function Text() {
  const { runId } = useParams();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [source, setSource] = useState<(typeof SOURCES)[number]>("Demo");
  const [text, setText] = useState("");
  const [choices, setChoices] = useState(DEFAULTS);
  const [picked, setPicked] = useState<readonly string[]>([]);
  const [range, setRange] = useState<readonly [number, number] | null>(null);
  const jobs = useJobs("monitor");
  const runs = useRuns();
  const { cancel } = useJobActs();
  const working = jobs.data?.jobs.find(
    (job) => job.status === "running" || job.status === "queued",
  );
  const [watched, setWatched] = useState<string | undefined>();
  const jobId = runId === undefined ? (watched ?? working?.job_id) : undefined;
  const live = useLiveRun(jobId);
  const ended = live.job?.status === "completed" || live.job?.status === "cancelled";
  const made = (live.job?.result.runs as string[] | undefined)?.[0];
  const latest = jobs.data?.jobs
    .map((job) => (job.result.runs as string[] | undefined)?.[0])
    .find((run) => run !== undefined && runs.data?.runs.includes(run));
  const shownRun = runId ?? (jobId === undefined ? (latest ?? runs.data?.runs.at(-1)) : undefined);
  const whole = useCurve(shownRun, null);
  const curve = useCurve(shownRun, range);
  const report = useReport(shownRun);
  useEffect(() => {
    if (!ended || !made) return;
    void queries.invalidateQueries({ queryKey: ["runs"] });
    setWatched(undefined);
    void navigate(`/text/${made}`);
  }, [ended, made, navigate, queries]);
  const start = useAct(
    () => {
      const input =
        source === "Paste"
          ? { text }
          : source === "Demo"
            ? { demo: true }
            : { demo_high_entropy: true };
      return take<Job>(
        api.POST("/api/text/runs", { body: { ...changedOptions(choices), ...input } }),
      );
    },
    ["jobs"],
    (job) => {
      setRange(null);
      setWatched(job.job_id);
      void navigate("/text");
    },
  );
  const view = useMemo(
    () =>
      shownRun === undefined
        ? viewOfChunks(live.chunks)
        : curve.data
          ? viewOfCurve(curve.data)
          : null,
    [shownRun, live.chunks, curve.data],
  );
  const tapeOf = shownRun === undefined ? view : whole.data ? viewOfCurve(whole.data) : null;
  const options = report.data?.config.options ?? changedOptions(choices);
  const counts =
    report.data?.summary.decisions ??
    Object.fromEntries(countDecisions(live.chunks.map(decisionOfChunk)));
  const fault = (Object.keys(LIMITS) as LimitName[]).some(
    (name) => faultOf(choices.numbers[name], LIMITS[name]) !== null,
  );
  const name = shownRun ?? jobId ?? "";
  const isLive = jobId !== undefined && !ended;
  return (
    <>
      <PageHead
        title="Text (Sentry)"
        sentence="Every chunk is judged, tried, probed, then kept or undone. Positive canary change means harm."
        actions={
          <>
            {shownRun ? (
              <button
                type="button"
                className="btn"
                onClick={async () =>
                  saveText(
                    `${shownRun}.jsonl`,
                    await takeText(`/api/text/runs/${shownRun}/events.jsonl`),
                    "application/jsonl",
                  )
                }
              >
                Export the run
              </button>
            ) : null}
            {isLive ? (
              <button
                type="button"
                className="btn pri"
                onClick={() => jobId && cancel.mutate(jobId)}
              >
                Stop, keep {live.chunks.length} chunks
              </button>
            ) : null}
          </>
        }
      />
      <div className="stack">
        <section className="panel p-3 stack" aria-label="input and tape">
          <form
            className="row wrap"
            onSubmit={(event) => {
              event.preventDefault();
              start.mutate(undefined);
            }}
          >
            <Segment label="input" words={SOURCES} value={source} onChange={setSource} />
            <button
              type="submit"
              className="btn pri"
              disabled={fault || start.isPending || (source === "Paste" && text.trim() === "")}
            >
              Read it
            </button>
            <span className="mono">{name}</span>
            <span className="text-ink-2">
              {view ? `${count(tapeOf?.chunks ?? view.chunks)} chunks` : ""}{" "}
              {live.job && isLive ? `${live.job.status} ${live.job.stage}` : ""}
            </span>
            <span className="row wrap ml-auto">
              {DECISIONS.filter((one) => counts[one]).map((one) => (
                <DecisionLabel key={one} decision={one} count={counts[one] ?? 0} />
              ))}
            </span>
          </form>
          {source === "Paste" ? (
            <textarea
              className="inp wide p-2"
              rows={4}
              aria-label="text to read"
              placeholder="Paste a text; each 128 tokens make one attempt"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          ) : null}
          {start.error ? <ErrorNote error={start.error} /> : null}
          {curve.error ? (
            <ErrorNote error={curve.error} again={() => void curve.refetch()} />
          ) : null}
          {cancel.error ? <ErrorNote error={cancel.error} /> : null}
          {live.job?.status === "failed" ? <p className="note bad">{live.job.message}</p> : null}
          <Tape marks={tapeOf?.tape ?? []} unit="chunks" />
        </section>
        <div className="cols text">
          <LimitsPanel choices={choices} onChange={setChoices} />
          <div className="stack first-narrow">
            {view && view.index.length > 0 ? (
              <RunCharts
                key={name}
                name={name}
                view={view}
                budget={Number(options.budget_nats ?? 0.05)}
                onZoom={setRange}
              />
            ) : (
              <Panel title="Canary and drift">
                <Empty
                  what="Nothing was read yet."
                  where="“Read it” starts a run; each chunk appears here as it is decided."
                  command="ttt monitor --demo"
                />
              </Panel>
            )}
            {picked.length > 1 ? <Compare runs={picked} /> : null}
            {view && view.index.length > 0 ? (
              <Chunks
                key={`${name}-chunks`}
                runId={shownRun}
                live={live.chunks}
                options={options}
                counts={counts}
              />
            ) : null}
          </div>
          <div className="stack">
            <Panel title="Direction" hint="foretold against measured">
              <Scatter all={view ? forecastsOf(view) : []} />
            </Panel>
            <GatePanel reasons={reasonsOf(live.chunks, report.data)} />
            <SavedRuns current={shownRun} picked={picked} onPick={setPicked} />
          </div>
        </div>
      </div>
    </>
  );
}
