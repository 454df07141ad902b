import { useState } from "react";
import { api, take } from "@/api/client";
import { NumberField, Segment, Switch, TextField } from "@/components/Controls";
import { Panel } from "@/components/Panel";
import { ErrorNote } from "@/components/States";
import { useAct, useModels } from "@/lib/queries";

const CONTEXTS = [
  "linear+cache",
  "linear",
  "cache",
  "fast_lowrank_mem+cache",
  "fast_lowrank_mem",
] as const;
const MODES = ["spfw", "gate_rollback"] as const;

/** Everything that is settled for life when a session begins; all guards are on at first. */
export function NewSession(props: { onMade: (id: string) => void; onClose: () => void }) {
  const models = useModels();
  const [id, setId] = useState("");
  const [base, setBase] = useState("current");
  const [context, setContext] = useState<string>(CONTEXTS[0]);
  const [mode, setMode] = useState<(typeof MODES)[number]>("spfw");
  const [gate, setGate] = useState(true);
  const [rollback, setRollback] = useState(true);
  const [witnesses, setWitnesses] = useState(true);
  const [budget, setBudget] = useState("0.05");
  const [reserve, setReserve] = useState("0");
  const [rows, setRows] = useState("1024");
  const make = useAct(
    () =>
      take<{ session_id: string }>(
        api.POST("/api/text/sessions", {
          body: {
            session_id: id,
            base,
            context,
            cache_rows: Number(rows),
            safety_mode: mode,
            enable_gate: gate,
            enable_rollback: rollback,
            enable_witnesses: witnesses,
            budget_nats: Number(budget),
            reserve_nats: mode === "spfw" ? Number(reserve) : 0,
          },
        }),
      ),
    ["text-sessions"],
    () => props.onMade(id),
  );
  return (
    <Panel title="New session" hint="settled for life">
      <form
        className="stack max-w-[560px]"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate(undefined);
        }}
      >
        <TextField label="Name: a-z, 0-9, _ and -" value={id} placeholder="ada" onChange={setId} />
        <label className="row">
          <span className="text-ink-2">Base</span>
          <select
            className="inp w-auto"
            value={base}
            onChange={(event) => setBase(event.target.value)}
          >
            <option value="current">current</option>
            {(models.data ?? []).map((one) => (
              <option key={one.model_id} value={one.model_id}>
                {one.model_id}
              </option>
            ))}
          </select>
        </label>
        <label className="row">
          <span className="text-ink-2">What learns</span>
          <select
            className="inp w-auto"
            value={context}
            onChange={(event) => setContext(event.target.value)}
          >
            {CONTEXTS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        {context.includes("cache") ? (
          <NumberField
            label="Moments that the cache keeps"
            value={rows}
            initial="1024"
            min={16}
            max={65_536}
            whole
            onChange={setRows}
          />
        ) : null}
        <div className="row wrap">
          <span className="text-ink-2">Safety mode</span>
          <Segment label="safety mode" words={MODES} value={mode} onChange={setMode} />
        </div>
        <div>
          <Switch
            label="Gate"
            hint="judges a message before anything moves"
            value={gate}
            onChange={setGate}
          />
          <Switch
            label="Rollback"
            hint="undoes what harms the canaries"
            value={rollback}
            onChange={setRollback}
          />
          {mode === "spfw" ? (
            <Switch
              label="Witnesses"
              hint="more texts, read between messages: what they rose further is withheld"
              value={witnesses}
              onChange={setWitnesses}
            />
          ) : null}
          <NumberField
            label="Drift budget, nats"
            value={budget}
            initial="0.05"
            min={0}
            onChange={setBudget}
          />
          {mode === "spfw" ? (
            <NumberField
              label="Of it kept in reserve, nats"
              value={reserve}
              initial="0"
              min={0}
              onChange={setReserve}
            />
          ) : null}
        </div>
        {gate && rollback && (witnesses || mode !== "spfw") ? null : (
          <p className="note warn">
            With a guard off, hostile text can be learned for good. The session says so for life.
          </p>
        )}
        {make.error ? <ErrorNote error={make.error} /> : null}
        <div className="row">
          <button type="submit" className="btn pri" disabled={id === "" || make.isPending}>
            Start the session
          </button>
          <button type="button" className="btn" onClick={props.onClose}>
            Close
          </button>
        </div>
      </form>
    </Panel>
  );
}
