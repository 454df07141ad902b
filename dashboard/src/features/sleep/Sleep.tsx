import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import type { Job, Memory, Night } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { NumberField, Segment } from "@/components/Controls";
import { DecisionLabel } from "@/components/Glyph";
import { JobRow } from "@/components/JobRow";
import { PageHead, Panel, Stats } from "@/components/Panel";
import { ScrollBox } from "@/components/ScrollBox";
import { Empty, ErrorNote } from "@/components/States";
import { decisionOfEvent, sentenceOf } from "@/lib/decisions";
import { clock, fixed, signed } from "@/lib/format";
import { useAct, useJobs, useModels, useSleepStatus } from "@/lib/queries";
import { useUrlChoice, useUrlState } from "@/lib/urlState";

type Verdicts = Readonly<Record<string, "let in" | "leave out">>;

/** The night that a job told of, or that made a candidate. */
function useNight(jobId: string | undefined) {
  return useQuery({
    queryKey: ["night", jobId],
    enabled: jobId !== undefined,
    queryFn: async () => {
      const told = await take<{ events: { night?: Night }[] }>(
        api.GET("/api/jobs/{job_id}/told", { params: { path: { job_id: jobId ?? "" } } }),
      );
      return told.events.findLast((event) => event.night)?.night ?? null;
    },
  });
}

function useMemoryText(place: string) {
  const [session_id = "", n = "0"] = place.split(":");
  return useQuery({
    queryKey: ["memory", place],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => {
      const found = await take<{ turns: { n: number; message: string }[] }>(
        api.GET("/api/text/sessions/{session_id}/history", { params: { path: { session_id } } }),
      );
      return found.turns.find((turn) => turn.n === Number(n))?.message ?? null;
    },
  });
}

function MemoryRow(props: {
  memory: Memory;
  verdict: "let in" | "leave out" | undefined;
  onVerdict: (verdict: "let in" | "leave out" | undefined) => void;
}) {
  const { memory, verdict } = props;
  const text = useMemoryText(memory.place);
  const other = memory.approved ? "leave out" : "let in";
  return (
    <tr className="align-top">
      <td className="py-1">
        <span className={`decision d-${memory.approved ? "committed" : "blocked"}`}>
          {memory.approved ? "approved" : "rejected"}
        </span>
        {memory.held_out ? <span className="tag ml-2">held out</span> : null}
      </td>
      <td className="mono py-1">{memory.place}</td>
      <td className="wrap py-1 w-full">
        {text.data ?? (
          <span className="dim">{text.isPending ? "…" : "not in its session any more"}</span>
        )}
        {memory.reasons.map((reason) => (
          <span key={reason} className="row wrap xs d-blocked">
            <span className="chip">{reason}</span> {sentenceOf(reason)}
          </span>
        ))}
      </td>
      <td className="num py-1">{signed(memory.readings.canary_rise)}</td>
      <td className="py-1">
        <label className="row xs">
          <input
            type="checkbox"
            checked={verdict === other}
            onChange={(event) => props.onVerdict(event.target.checked ? other : undefined)}
          />
          {other}
        </label>
      </td>
    </tr>
  );
}

function Memories(props: {
  night: Night;
  verdicts: Verdicts;
  onVerdicts: (verdicts: Verdicts) => void;
}) {
  const [which, setWhich] = useUrlChoice("memories", ["All", "Rejected", "Approved"]);
  const { night, verdicts } = props;
  const chosen = night.memories.filter(
    (one) => which === "All" || one.approved === (which === "Approved"),
  );
  const approved = night.memories.filter((one) => one.approved).length;
  return (
    <Panel
      title="Memories"
      hint={`${approved} of ${night.memories.length} approved, from ${night.sessions} sessions of ${night.base}`}
      flush
      actions={
        <Segment
          label="which memories"
          words={["All", "Rejected", "Approved"]}
          value={which}
          onChange={setWhich}
        />
      }
    >
      {chosen.length === 0 ? (
        <Empty
          what="No such memory."
          where="A memory is a message that a session of the current base learned and kept."
        />
      ) : (
        <ScrollBox label="audited memories" className="max-h-[480px]">
          <table className="tbl">
            <thead>
              <tr>
                <th>auditor</th>
                <th>memory</th>
                <th>text and reasons</th>
                <th className="num">canary rise by it alone, nats</th>
                <th>overrule</th>
              </tr>
            </thead>
            <tbody>
              {chosen.map((memory) => (
                <MemoryRow
                  key={memory.place}
                  memory={memory}
                  verdict={verdicts[memory.place]}
                  onVerdict={(verdict) => {
                    const { [memory.place]: _, ...rest } = verdicts;
                    props.onVerdicts(verdict ? { ...rest, [memory.place]: verdict } : rest);
                  }}
                />
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </Panel>
  );
}

function Losses({ night }: { night: Night }) {
  if (!night.losses) return null;
  const { before, after } = night.losses;
  return (
    <Panel
      title={`Before and after: ${night.candidate}`}
      hint={
        night.gate?.allowed
          ? "passes its gates"
          : `fails: ${night.gate?.reasons.map(sentenceOf).join(" ")}`
      }
      flush
    >
      <table className="tbl">
        <thead>
          <tr>
            <th>held-out loss, nats a token</th>
            <th className="num">before</th>
            <th className="num">after</th>
            <th className="num">change</th>
          </tr>
        </thead>
        <tbody>
          {Object.keys(before).map((name) => (
            <tr key={name}>
              <td>{name}</td>
              <td className="num">{fixed(before[name])}</td>
              <td className="num">{fixed(after[name])}</td>
              <td className="num">
                {signed((after[name] ?? Number.NaN) - (before[name] ?? Number.NaN))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Candidates() {
  const models = useModels();
  const status = useSleepStatus();
  const [asking, setAsking] = useState<{
    act: "promote" | "reject" | "rollback";
    id: string;
  } | null>(null);
  const decide = useAct(
    ({ act, id }: { act: "promote" | "reject" | "rollback"; id: string }) => {
      if (act === "promote")
        return take(api.POST("/api/sleep/promote", { body: { model_id: id } }));
      if (act === "reject") return take(api.POST("/api/sleep/reject", { body: { model_id: id } }));
      return take(api.POST("/api/sleep/rollback", { body: {} }));
    },
    ["sleep", "models"],
  );
  const waiting = (models.data ?? []).filter((one) => one.status === "sleep_candidate");
  const earlier = status.data?.earlier ?? [];
  const close = (confirmed: boolean) => {
    if (confirmed && asking) decide.mutate(asking);
    setAsking(null);
  };
  return (
    <Panel title="Candidates" hint="each is measured once more before it becomes the base" flush>
      {decide.isPending ? <p className="p-3 dim">Measuring…</p> : null}
      {decide.error ? (
        <div className="p-3">
          <ErrorNote error={decide.error} />
        </div>
      ) : null}
      {waiting.length === 0 ? (
        <Empty what="No candidate waits." where="A night makes one." command="ttt sleep" />
      ) : (
        <ul>
          {waiting.map((model) => (
            <li key={model.model_id} className="p-3 border-b border-line last:border-0 row wrap">
              <span className="mono">{model.model_id}</span>
              <span className="ml-auto row">
                <button
                  type="button"
                  className="btn sm"
                  onClick={() => setAsking({ act: "promote", id: model.model_id })}
                >
                  Promote {model.model_id}
                </button>
                <button
                  type="button"
                  className="btn sm danger"
                  onClick={() => setAsking({ act: "reject", id: model.model_id })}
                >
                  Reject
                </button>
              </span>
            </li>
          ))}
        </ul>
      )}
      <div className="p-3 border-t border-line row wrap">
        <span>
          Current base <span className="mono">{status.data?.current ?? "…"}</span>
        </span>
        <button
          type="button"
          className="btn sm ml-auto"
          disabled={earlier.length === 0}
          onClick={() => setAsking({ act: "rollback", id: earlier.at(-1) ?? "" })}
        >
          Roll back the base
        </button>
      </div>
      {asking ? (
        <Confirm
          title={
            asking.act === "rollback"
              ? `Go back to ${asking.id}?`
              : `${asking.act === "promote" ? "Promote" : "Reject"} ${asking.id}?`
          }
          action={
            asking.act === "promote"
              ? "Measure and promote"
              : asking.act === "reject"
                ? "Reject the candidate"
                : "Roll back"
          }
          danger={asking.act === "reject"}
          onClose={close}
        >
          <p>
            {asking.act === "promote"
              ? "Its gates are measured again on its own held-out rows. If they hold, new conversations start on it; those that exist keep their base. It can be rolled back."
              : asking.act === "reject"
                ? "It stays on disk and can be looked at, but it cannot become a base any more. This cannot be taken back."
                : "New conversations start on the base before the current one. Nothing is deleted."}
          </p>
        </Confirm>
      ) : null}
    </Panel>
  );
}

function History() {
  const status = useSleepStatus();
  const decisions = [...(status.data?.decisions ?? [])].reverse();
  return (
    <Panel title="Decisions about the base" hint="the newest first" flush>
      {decisions.length === 0 ? (
        <Empty
          what="None yet."
          where="Promotions, rejections and rollbacks appear here, refused ones too."
        />
      ) : (
        <ScrollBox label="table of decisions">
          <table className="tbl">
            <tbody>
              {decisions.map((one) => (
                <tr key={one.time + one.act}>
                  <td>{clock(one.time)}</td>
                  <td>{one.act}</td>
                  <td className="mono">{one.model_id}</td>
                  <td>
                    <DecisionLabel
                      decision={
                        one.outcome === "committed"
                          ? "committed"
                          : (decisionOfEvent({ type: one.outcome }) ?? "blocked")
                      }
                    />
                  </td>
                  <td className="wrap">{one.reasons.map(sentenceOf).join(" ")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </Panel>
  );
}

const NIGHT = {
  train_steps: { label: "Training steps", initial: "200", min: 1, max: 100_000, whole: true },
  max_memories: { label: "Memories at most", initial: "200", min: 1, max: 2000, whole: true },
  core_ratio: { label: "Core share", initial: "0.8", min: 0, max: 0.99 },
  core_rise_nats: { label: "Core rise at most, nats", initial: "0.01", min: 0 },
  canary_rise_nats: { label: "Canary rise at most, nats", initial: "0.05", min: 0 },
} as const;
type NightName = keyof typeof NIGHT;

/** What sessions learned, audited, then trained into a candidate. */
export default function Sleep() {
  const jobs = useJobs("sleep");
  const [chosen, setChosen] = useUrlState("night", "");
  const [verdicts, setVerdicts] = useState<Verdicts>({});
  const [values, setValues] = useState<Record<NightName, string>>(
    Object.fromEntries(Object.entries(NIGHT).map(([name, one]) => [name, one.initial])) as Record<
      NightName,
      string
    >,
  );
  const newest = jobs.data?.jobs.find((job) => job.status === "completed");
  const night = useNight(chosen || newest?.job_id);
  const start = useAct(
    (dry: boolean) => {
      const places = (wanted: string) =>
        Object.keys(verdicts).filter((place) => verdicts[place] === wanted);
      const changed = (Object.keys(NIGHT) as NightName[]).filter(
        (name) => values[name] !== NIGHT[name].initial,
      );
      const body = {
        ...(dry ? { dry_run: true } : {}),
        let_in: places("let in"),
        leave_out: places("leave out"),
        ...Object.fromEntries(changed.map((name) => [name, Number(values[name])])),
      };
      return take<Job>(api.POST("/api/sleep", { body }));
    },
    ["jobs"],
    () => setChosen(""),
  );
  return (
    <>
      <PageHead
        title="Sleep"
        sentence="What sessions learned, audited, then trained into a candidate. Nothing becomes a base before somebody promotes it. A positive change of loss is harm."
        actions={
          <>
            <button
              type="button"
              className="btn"
              disabled={start.isPending}
              onClick={() => start.mutate(true)}
            >
              Audit only
            </button>
            <button
              type="button"
              className="btn pri"
              disabled={start.isPending}
              onClick={() => start.mutate(false)}
            >
              Sleep a night
            </button>
          </>
        }
      />
      {start.error ? <ErrorNote error={start.error} /> : null}
      <div className="cols two">
        <div className="stack">
          {night.data ? (
            <>
              <Stats
                all={[
                  { name: "Memories", value: String(night.data.memories.length) },
                  {
                    name: "Approved",
                    value: String(night.data.memories.filter((one) => one.approved).length),
                  },
                  {
                    name: "Rejected",
                    value: String(night.data.memories.filter((one) => !one.approved).length),
                  },
                  {
                    name: "Candidate",
                    value: night.data.candidate || "none",
                    sub: night.data.candidate ? undefined : "an audit only",
                  },
                ]}
              />
              <Losses night={night.data} />
              <Memories night={night.data} verdicts={verdicts} onVerdicts={setVerdicts} />
            </>
          ) : (
            <Panel title="Memories">
              <Empty
                what="No night yet."
                where="“Audit only” shows what would be learned, and why the rest would not; it changes nothing."
                command="ttt sleep --dry_run"
              />
            </Panel>
          )}
          <History />
        </div>
        <div className="stack">
          <Candidates />
          <Panel title="Nights" hint="as jobs" flush>
            {(jobs.data?.jobs.length ?? 0) === 0 ? (
              <Empty
                what="None was started here."
                where="Nights of the command line leave their candidates above."
              />
            ) : (
              <ul>
                {jobs.data?.jobs.slice(0, 6).map((job) => (
                  <JobRow key={job.job_id} job={job} />
                ))}
              </ul>
            )}
          </Panel>
          <Panel title="Limits of the next night">
            {(Object.keys(NIGHT) as NightName[]).map((name) => (
              <NumberField
                key={name}
                {...NIGHT[name]}
                value={values[name]}
                onChange={(value) => setValues({ ...values, [name]: value })}
              />
            ))}
            <p className="xs dim">{Object.keys(verdicts).length} memories are overruled for it.</p>
          </Panel>
        </div>
      </div>
    </>
  );
}
