import { useMemo, useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { api, take } from "@/api/client";
import type { SessionRow } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { BudgetBar } from "@/components/Controls";
import { PageHead, Panel } from "@/components/Panel";
import { Empty, ErrorNote, Found } from "@/components/States";
import { Tape } from "@/components/Tape";
import { type Decision, decisionOfEvent } from "@/lib/decisions";
import { ago, signed } from "@/lib/format";
import { useAct, useTextLog, useTextSessions } from "@/lib/queries";
import { saveText } from "@/lib/save";
import { Composer } from "./Composer";
import { Conversation } from "./Conversation";
import { Evidence } from "./Evidence";
import { NewSession } from "./NewSession";
import { Switches } from "./Switches";
import { turnsOf } from "./turns";
import { useSending } from "./useSending";

function SessionList({
  all,
  current,
}: {
  all: readonly SessionRow[];
  current: string | undefined;
}) {
  return (
    <ul className="side">
      {all.map((row) => (
        <li key={row.session_id}>
          <Link
            to={`/chat/${row.session_id}`}
            aria-current={row.session_id === current ? "true" : undefined}
          >
            <span className="mono">{row.session_id}</span>
            <small>
              {row.damage ? "damaged, " : ""}
              {row.parent ? `fork of ${row.parent}, ` : ""}
              {row.commits} commits, {ago(row.head_time, Date.now())}
            </small>
          </Link>
        </li>
      ))}
    </ul>
  );
}

const LOG_MAX = 500;

type Asking = { readonly act: "reset" } | { readonly act: "undo"; readonly n: number } | null;

function Session({ sessionId }: { sessionId: string }) {
  const log = useTextLog(sessionId, LOG_MAX);
  const navigate = useNavigate();
  const [asking, setAsking] = useState<Asking>(null);
  const sending = useSending(sessionId);
  const path = { params: { path: { session_id: sessionId } } };
  const reset = useAct(
    () => take(api.POST("/api/text/sessions/{session_id}/reset", path)),
    ["text-log", "text-sessions"],
  );
  const undo = useAct(
    (n: number) =>
      take(api.POST("/api/text/sessions/{session_id}/revert", { ...path, body: { n: String(n) } })),
    ["text-log", "text-sessions"],
  );
  const fork = useAct(
    ({ n, child }: { n: number; child: string }) =>
      take(
        api.POST("/api/text/sessions/{session_id}/fork", {
          ...path,
          body: { child_session_id: child, n: String(n) },
        }),
      ),
    ["text-sessions"],
    (_, { child }) => void navigate(`/chat/${child}`),
  );
  const commits = log.data ?? [];
  const turns = useMemo(() => turnsOf(commits), [commits]);
  const marks = turns
    .map((turn) => decisionOfEvent(turn.commit.event))
    .filter((one): one is Decision => one !== null);
  const settings = commits.find((commit) => commit.event.chat)?.event.chat;
  const budget = Number(settings?.budget_nats ?? 0.05);
  const reserve = Number(settings?.reserve_nats ?? 0);
  const since = commits.slice(commits.findLastIndex((one) => one.event.type === "reset") + 1);
  const withheld =
    since.findLast((one) => one.event.withheld_nats !== undefined)?.event.withheld_nats ?? 0;
  const drift =
    since.findLast((one) => typeof one.event.drift_total === "number")?.event.drift_total ?? 0;
  const learning =
    commits.findLast((one) => one.event.type === "learning")?.event.learning ??
    settings?.learning !== false;
  const close = (confirmed: boolean) => {
    if (confirmed && asking?.act === "reset") reset.mutate(undefined);
    if (confirmed && asking?.act === "undo") undo.mutate(asking.n);
    setAsking(null);
  };
  const forkAt = (n: number) =>
    fork.mutate({ n, child: `${sessionId}-at-${n}-${Date.now() % 10_000}` });
  const fault = reset.error ?? undo.error ?? fork.error;
  return (
    <>
      <div className="stack">
        <Panel
          title="Conversation"
          hint={
            settings
              ? `${settings.base}, ${turns.length} messages, context ${settings.context}`
              : undefined
          }
          flush
          actions={
            <>
              <button
                type="button"
                className="btn quiet sm"
                onClick={() =>
                  saveText(
                    `${sessionId}.json`,
                    JSON.stringify(commits, null, 1),
                    "application/json",
                  )
                }
              >
                Export
              </button>
              <button
                type="button"
                className="btn sm danger"
                onClick={() => setAsking({ act: "reset" })}
              >
                Reset
              </button>
            </>
          }
        >
          <div className="px-4 pb-3">
            {commits.length === LOG_MAX ? (
              <p className="note">
                The newest {LOG_MAX} commits are shown; <code>ttt chat history</code> has all.
              </p>
            ) : null}
            <Found query={log}>
              {() => (
                <Conversation
                  turns={turns}
                  budget={budget}
                  sending={sending}
                  base={String(settings?.base ?? "")}
                  onFork={forkAt}
                  onUndo={(n) => setAsking({ act: "undo", n })}
                />
              )}
            </Found>
            {fault ? <ErrorNote error={fault} /> : null}
          </div>
          <Composer sending={sending} learning={learning} left={budget - reserve - drift} />
        </Panel>
      </div>
      <div className="stack">
        <Evidence turns={turns} sessionId={sessionId} />
        <Panel title="Drift budget" hint="how far the canaries may rise since the start">
          <p>
            <span className="text-xl">{signed(drift)}</span> of {budget.toFixed(4)} nats
          </p>
          <BudgetBar used={drift} budget={budget} unit="nats" />
          <div className="mt-2">
            <Tape marks={marks} unit="messages" />
          </div>
          <p className="xs dim">
            Below zero the canaries became easier; that leaves more than the budget.
            {reserve > 0
              ? ` Steps may use ${(budget - reserve).toFixed(4)} of it; the rest is kept in reserve.`
              : null}
            {withheld > 0
              ? ` From the last message ${withheld.toFixed(4)} of it was withheld, since other texts had risen further than the canaries.`
              : null}
          </p>
        </Panel>
        {settings ? (
          <Switches sessionId={sessionId} settings={settings} learning={learning} />
        ) : null}
      </div>
      {asking ? (
        <Confirm
          title={
            asking.act === "reset"
              ? `Reset ${sessionId}?`
              : `Undo what message c${asking.n} taught?`
          }
          action={asking.act === "reset" ? "Reset the session" : "Undo this learning"}
          danger={asking.act === "reset"}
          {...(asking.act === "reset" ? { typed: sessionId } : {})}
          onClose={close}
        >
          <p>
            {asking.act === "reset"
              ? `Its fast weights and memories become those of a new session. The ${turns.length} messages stay in its history, and a fork of an earlier commit still has what they taught.`
              : "The session becomes, byte for byte, the one that read this message without learning from it; what came after is learned again in its order. One commit records it."}
          </p>
        </Confirm>
      ) : null}
    </>
  );
}

/** Each message may teach this session; the line under it is its receipt. */
export default function Chat() {
  const { sessionId } = useParams();
  const [search] = useSearchParams();
  const sessions = useTextSessions();
  const navigate = useNavigate();
  const [asked, setAsked] = useState(false);
  const fresh = asked || search.has("new");
  const shown = sessionId ?? (fresh ? undefined : sessions.data?.[0]?.session_id);
  return (
    <>
      <PageHead
        title={shown ? `chat/${shown}` : "Chat"}
        sentence="Each message may teach this session. The line under a message is its receipt: what was judged, tried, probed and kept."
        actions={
          <button type="button" className="btn" onClick={() => setAsked(true)}>
            New session
          </button>
        }
      />
      {fresh || (sessions.data?.length === 0 && !shown) ? (
        <div className="mb-3">
          <NewSession
            onMade={(id) => {
              setAsked(false);
              void navigate(`/chat/${id}`);
            }}
            onClose={() => {
              setAsked(false);
              void navigate("/chat");
            }}
          />
        </div>
      ) : null}
      <div className="cols chat">
        <div className="stack">
          <Panel title="Sessions" flush>
            <Found query={sessions}>
              {(all) =>
                all.length === 0 ? (
                  <Empty
                    what="No session yet."
                    where="Looked in text_sessions of the artifact tree."
                    command="ttt chat"
                  />
                ) : (
                  <SessionList all={all} current={shown} />
                )
              }
            </Found>
          </Panel>
        </div>
        {shown ? <Session key={shown} sessionId={shown} /> : null}
      </div>
    </>
  );
}
