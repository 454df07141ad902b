import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { api, take } from "@/api/client";
import type { Commit, Index, Job } from "@/api/types";
import { Segment } from "@/components/Controls";
import { DecisionLabel } from "@/components/Glyph";
import { JobRow } from "@/components/JobRow";
import { PageHead, Panel, Stats } from "@/components/Panel";
import { ScrollBox } from "@/components/ScrollBox";
import { Empty, Found } from "@/components/States";
import { Tape } from "@/components/Tape";
import { type Decision, decisionOfEvent, sentenceOf } from "@/lib/decisions";
import { clock, count, signed } from "@/lib/format";
import { useIndex, useJobs, useModels, useTextLog, useTextSessions } from "@/lib/queries";
import { Reviews } from "./Reviews";

const SHOWN_SESSIONS = 6;

function useLatest(ids: readonly string[]) {
  return useQuery({
    queryKey: ["text-log", "latest", ids],
    enabled: ids.length > 0,
    queryFn: async () => {
      const logs = await Promise.all(
        ids.map((session_id) =>
          take<{ commits: Commit[] }>(
            api.GET("/api/text/sessions/{session_id}/log", {
              params: { path: { session_id }, query: { limit: 12 } },
            }),
          ),
        ),
      );
      return logs.flatMap((log) => log.commits).sort((a, b) => b.time.localeCompare(a.time));
    },
  });
}

function Decisions({ ids }: { ids: readonly string[] }) {
  const [which, setWhich] = useState<"All" | "Not committed">("All");
  const latest = useLatest(ids);
  const rows = (latest.data ?? [])
    .map((commit) => ({ commit, decision: decisionOfEvent(commit.event) }))
    .filter((row): row is { commit: Commit; decision: Decision } => row.decision !== null)
    .filter((row) => which === "All" || row.decision !== "committed")
    .slice(0, 12);
  return (
    <Panel
      title="Latest decisions"
      hint="of the newest conversations, live"
      flush
      actions={
        <Segment label="which" words={["All", "Not committed"]} value={which} onChange={setWhich} />
      }
    >
      {rows.length === 0 ? (
        <Empty
          what={which === "All" ? "No decision yet." : "Every decision was committed."}
          where="Each message to a conversation, and each chunk of a text, is judged."
          command="ttt chat say --session_id ada --text 'Hello'"
        />
      ) : (
        <ScrollBox label="decisions">
          <table className="tbl">
            <thead>
              <tr>
                <th className="narrow-off">time</th>
                <th>decision</th>
                <th>where</th>
                <th>why</th>
                <th className="num">Δ canary, nats</th>
              </tr>
            </thead>
            <tbody aria-live="off">
              {rows.map(({ commit, decision }) => (
                <tr key={`${commit.session_id}:${commit.n}`}>
                  <td className="narrow-off" title={commit.time}>
                    {clock(commit.time)}
                  </td>
                  <td>
                    <DecisionLabel decision={decision} />
                  </td>
                  <td>
                    <Link className="link mono" to={`/chat/${commit.session_id}`}>
                      chat/{commit.session_id} c{commit.n}
                    </Link>
                  </td>
                  <td className="w">
                    {(commit.event.reasons ?? []).map(sentenceOf).join(" ") || "All checks passed"}
                  </td>
                  <td className="num">
                    {commit.event.canary_rise === null || commit.event.canary_rise === undefined
                      ? "not probed"
                      : signed(commit.event.canary_rise)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </Panel>
  );
}

function SessionTape({ sessionId }: { sessionId: string }) {
  const log = useTextLog(sessionId, 120);
  const marks = (log.data ?? [])
    .map((commit) => decisionOfEvent(commit.event))
    .filter((one): one is Decision => one !== null);
  return (
    <li className="grid grid-cols-[minmax(90px,160px)_1fr] gap-3 items-center px-3 py-1 border-b border-line last:border-0">
      <Link className="link mono truncate" to={`/chat/${sessionId}`}>
        chat/{sessionId}
      </Link>
      <Tape marks={marks} unit="messages" />
    </li>
  );
}

interface Step {
  readonly title: string;
  readonly text: string;
  readonly to: string;
  readonly label: string;
}

function nextSteps(index: Index, jobs: readonly Job[], candidates: readonly string[]): Step[] {
  const broken = jobs.filter((job) => job.status === "interrupted").length;
  const steps: Step[] = [];
  if (index.counts.text_sessions === 0) {
    steps.push({
      title: "Talk to a model that learns",
      text: "Each message is judged, tried, probed, then kept or undone.",
      to: "/chat",
      label: "Open Chat",
    });
  }
  if (index.counts.text_runs === 0) {
    steps.push({
      title: "Watch a model read",
      text: "The built-in demo mixes harmless and hostile passages.",
      to: "/text",
      label: "Open Text",
    });
  }
  if (candidates.length > 0) {
    steps.push({
      title: `Decide on ${candidates.length === 1 ? "a candidate" : `${candidates.length} candidates`}`,
      text: `${candidates.join(", ")} waits to be promoted or rejected.`,
      to: "/sleep",
      label: "Open Sleep",
    });
  }
  if (broken > 0) {
    steps.push({
      title: `Resume ${broken === 1 ? "a job" : `${broken} jobs`}`,
      text: "They were interrupted; what they had saved is kept.",
      to: "/",
      label: "See the jobs below",
    });
  }
  if (index.counts.text_sessions > 0 && candidates.length === 0) {
    steps.push({
      title: "Consolidate what was learned",
      text: "A night audits what sessions learned and trains what passes into a candidate.",
      to: "/sleep",
      label: "Open Sleep",
    });
  }
  return steps;
}

/** What is here, whether it may learn, and what it decided last. */
export default function Overview() {
  const navigate = useNavigate();
  const index = useIndex();
  const sessions = useTextSessions();
  const jobs = useJobs();
  const models = useModels();
  const all = jobs.data?.jobs ?? [];
  const working = all.filter((job) => job.status === "running").length;
  const waiting = all.filter((job) => job.status === "queued").length;
  const candidates = (models.data ?? []).filter((one) => one.status === "sleep_candidate");
  const ids = (sessions.data ?? []).slice(0, SHOWN_SESSIONS).map((one) => one.session_id);
  return (
    <>
      <PageHead
        title="Overview"
        sentence="What is here, whether it may learn, and what it decided last. A positive change of canary loss is harm."
        actions={
          <button type="button" className="btn pri" onClick={() => void navigate("/chat?new=1")}>
            New conversation
          </button>
        }
      />
      <div className="stack">
        <Found query={index}>
          {(found) => (
            <Stats
              all={[
                {
                  name: "Sessions",
                  value: count(found.counts.sessions + found.counts.text_sessions),
                  sub: `${found.counts.text_sessions} chat, ${found.counts.sessions} nano`,
                },
                {
                  name: "Models",
                  value: count(found.counts.text_models),
                  sub: `beside two starters; new sessions use ${found.base}`,
                },
                { name: "Monitored runs", value: count(found.counts.text_runs) },
                {
                  name: "Jobs",
                  value: count(working),
                  unit: "running",
                  sub: `${waiting} waiting, ${found.counts.jobs} in all`,
                },
              ]}
            />
          )}
        </Found>
        <div className="cols two">
          <div className="stack">
            <Decisions ids={ids} />
            <Panel title="Session tapes" hint="one mark for each message, the oldest left" flush>
              {ids.length === 0 ? (
                <Empty
                  what="No conversation yet."
                  where="Looked in text_sessions of the artifact tree."
                  command="ttt chat"
                />
              ) : (
                <ul>
                  {ids.map((id) => (
                    <SessionTape key={id} sessionId={id} />
                  ))}
                </ul>
              )}
            </Panel>
          </div>
          <div className="stack">
            <Panel title="Do next" flush>
              <ol>
                {index.data
                  ? nextSteps(
                      index.data,
                      all,
                      candidates.map((one) => one.model_id),
                    ).map((step) => (
                      <li
                        key={step.title}
                        className="p-3 border-b border-line last:border-0 stack gap-1"
                      >
                        <b>{step.title}</b>
                        <span className="text-ink-2">{step.text}</span>
                        <Link className="btn sm self-start" to={step.to}>
                          {step.label}
                        </Link>
                      </li>
                    ))
                  : null}
              </ol>
            </Panel>
            <Reviews />
            <Panel title="Jobs" hint="long work, in processes of its own" flush>
              {all.length === 0 ? (
                <Empty
                  what="No job yet."
                  where="Runs, trainings and nights that are started here appear in this list."
                />
              ) : (
                <ul>
                  {all.slice(0, 5).map((job) => (
                    <JobRow key={job.job_id} job={job} />
                  ))}
                </ul>
              )}
            </Panel>
          </div>
        </div>
      </div>
    </>
  );
}
