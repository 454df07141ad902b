import { api, take } from "@/api/client";
import { Switch } from "@/components/Controls";
import { Panel } from "@/components/Panel";
import { ErrorNote } from "@/components/States";
import { useAct } from "@/lib/queries";

const KEPT = [
  "base",
  "context",
  "optimizer",
  "read",
  "safety_mode",
  "budget_nats",
  "reserve_nats",
  "enable_gate",
  "enable_rollback",
  "enable_witnesses",
  "cache_lambda",
  "cache_rows",
  "chunk_tokens",
  "seed",
] as const;

/** What may be switched in a session, and what was settled when it began. */
export function Switches(props: {
  sessionId: string;
  settings: Readonly<Record<string, string | number | boolean | null>>;
  learning: boolean;
}) {
  const turn = useAct(
    (learning: boolean) =>
      take(
        api.POST("/api/text/sessions/{session_id}/learning", {
          params: { path: { session_id: props.sessionId } },
          body: { learning },
        }),
      ),
    ["text-log", "text-sessions"],
  );
  return (
    <Panel title="Safety" hint="this session">
      <Switch
        label="Learning"
        hint="off: messages are answered, nothing is learned"
        value={props.learning}
        disabled={turn.isPending}
        onChange={(value) => turn.mutate(value)}
      />
      {turn.error ? <ErrorNote error={turn.error} /> : null}
      <p className="xs dim mt-2">Settled when the session began, for life:</p>
      <dl className="grid grid-cols-[1fr_auto] gap-x-3 xs">
        {KEPT.filter((name) => name in props.settings).map((name) => (
          <div key={name} className="contents">
            <dt className="text-ink-2">{name.replaceAll("_", " ")}</dt>
            <dd className="text-right mono">{String(props.settings[name] ?? "auto")}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}
