import { useQueries } from "@tanstack/react-query";
import { useCallback, useMemo, useRef, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { api, take } from "@/api/client";
import { NumberField, Segment, TextField } from "@/components/Controls";
import { PageHead, Panel } from "@/components/Panel";
import { Empty, ErrorNote, Found } from "@/components/States";
import { useAct, useIndex } from "@/lib/queries";
import { useUrlState } from "@/lib/urlState";
import { History } from "./History";
import { RunCurves, RunForm } from "./RunPanel";
import { SessionTree } from "./SessionTree";
import { branchesOf } from "./tree";
import { TOUCHED, useRunsOf, useSessions } from "./useNano";
import { DiffPanel, WeightsPanel } from "./Weights";

const RULES = ["rls", "muon"] as const;

function NewSession({ onMade }: { onMade: (id: string) => void }) {
  const [id, setId] = useState("");
  const [rule, setRule] = useState<(typeof RULES)[number]>("rls");
  const [mu, setMu] = useState("");
  const base = useAct(() => take(api.POST("/api/nano/base", { body: {} })), TOUCHED);
  const make = useAct(
    () =>
      take<{ session_id: string }>(
        api.POST("/api/sessions", {
          body: { session_id: id, online: rule, ...(mu === "" ? {} : { mu: Number(mu) }) },
        }),
      ),
    TOUCHED,
    () => onMade(id),
  );
  const index = useIndex();
  const noBase = index.data?.nano_base === false;
  return (
    <Panel title="New session" hint="a plant of its own, with a friction nobody tells the model">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate(undefined);
        }}
      >
        <TextField
          label="Name: a-z, 0-9, _ and -"
          value={id}
          placeholder="alice"
          onChange={setId}
        />
        <div className="row wrap">
          <span className="text-ink-2">Rule</span>
          <Segment label="rule" words={RULES} value={rule} onChange={setRule} />
        </div>
        <NumberField
          label="Friction mu"
          value={mu}
          initial=""
          min={0}
          max={1}
          optional
          onChange={setMu}
        />
        {make.error ? <ErrorNote error={make.error} /> : null}
        {noBase ? (
          <button
            type="button"
            className="btn"
            disabled={base.isPending}
            onClick={() => base.mutate(undefined)}
          >
            {base.isPending ? "Pretraining…" : "Pretrain a base first"}
          </button>
        ) : null}
        {base.error ? <ErrorNote error={base.error} /> : null}
        <button
          type="submit"
          className="btn pri self-start"
          disabled={id === "" || noBase || make.isPending}
        >
          Start the session
        </button>
      </form>
    </Panel>
  );
}

function useNewestRuns(ids: readonly string[]) {
  const found = useQueries({
    queries: ids.map((session_id) => ({
      queryKey: ["nano-runs", session_id],
      queryFn: async () =>
        (
          await take<{ runs: string[] }>(
            api.GET("/api/sessions/{session_id}/runs", { params: { path: { session_id } } }),
          )
        ).runs,
    })),
  });
  return ids.flatMap((sessionId, n) => {
    const runId = found[n]?.data?.at(-1);
    return runId ? [{ sessionId, runId }] : [];
  });
}

function Session({ sessionId }: { sessionId: string }) {
  const runs = useRunsOf(sessionId);
  const [chosen, setChosen] = useUrlState("run", "");
  const runId = chosen && runs.data?.includes(chosen) ? chosen : runs.data?.at(-1);
  return (
    <div className="cols two">
      <div className="stack">
        {runId ? (
          <RunCurves key={runId} places={[{ sessionId, runId }]} />
        ) : (
          <Panel title="Run">
            <Empty
              what="This session has not run yet."
              where="“Run the session” lets it live on its plant."
              command={`ttt nano run_session --session_id ${sessionId}`}
            />
          </Panel>
        )}
        <History sessionId={sessionId} />
        <WeightsPanel sessionId={sessionId} />
        <DiffPanel sessionId={sessionId} />
      </div>
      <div className="stack">
        {(runs.data?.length ?? 0) > 1 ? (
          <Panel title="Runs of this session">
            <select
              className="inp wide"
              aria-label="run"
              value={runId}
              onChange={(event) => setChosen(event.target.value)}
            >
              {runs.data?.map((run) => (
                <option key={run} value={run}>
                  {run}
                </option>
              ))}
            </select>
          </Panel>
        ) : null}
        <RunForm sessionId={sessionId} onRan={() => setChosen("")} />
      </div>
    </div>
  );
}

/** A small model that learns a hidden friction while it runs. */
export default function Nano() {
  const { sessionId } = useParams();
  const navigate = useNavigate();
  const sessions = useSessions();
  const [compare, setCompare] = useUrlState("compare", "");
  const picked = compare === "" ? [] : compare.split(",");
  const latest = useRef(picked);
  latest.current = picked;
  const onPick = useCallback(
    (id: string, add: boolean) => {
      const others = latest.current.filter((one) => one !== id);
      setCompare((add ? [...others, id] : others).join(","));
    },
    [setCompare],
  );
  const branches = useMemo(() => branchesOf(sessions.data ?? []), [sessions.data]);
  const places = useNewestRuns(picked);
  const shown = sessionId ?? sessions.data?.[0]?.session_id;
  return (
    <>
      <PageHead
        title={shown ? `nano/${shown}` : "Nano"}
        sentence="A small model that learns a hidden friction while it runs. Every chunk it learns from is a commit that can be found, taken back and forked."
      />
      <div className="stack">
        <div className="cols two">
          <Panel title="Sessions" hint="forks stand below their parents" flush>
            <Found query={sessions}>
              {() =>
                branches.length === 0 ? (
                  <Empty
                    what="No session yet."
                    where="Looked in sessions of the artifact tree."
                    command="ttt nano new_session --session_id alice"
                  />
                ) : (
                  <SessionTree
                    branches={branches}
                    current={shown}
                    picked={picked}
                    onPick={onPick}
                  />
                )
              }
            </Found>
          </Panel>
          <NewSession onMade={(id) => void navigate(`/nano/${id}`)} />
        </div>
        {places.length > 1 ? (
          <>
            <RunCurves places={places} />
            <DiffPanel key={compare} sessionId={picked[1] ?? ""} other={picked[0]} />
          </>
        ) : null}
        {shown ? <Session key={shown} sessionId={shown} /> : null}
      </div>
    </>
  );
}
