import { useState } from "react";
import { useNavigate } from "react-router";
import { api, take } from "@/api/client";
import type { Commit } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { FlagButton, Said } from "@/components/Flag";
import { DecisionLabel } from "@/components/Glyph";
import { Panel } from "@/components/Panel";
import { ScrollBox } from "@/components/ScrollBox";
import { Empty, ErrorNote, Found } from "@/components/States";
import { decisionOfEvent, sentenceOf } from "@/lib/decisions";
import { clock, compact } from "@/lib/format";
import { useAct } from "@/lib/queries";
import { TOUCHED, useLog } from "./useNano";

interface Bisected {
  readonly found: string;
  readonly event: string;
  readonly threshold: number;
  readonly measurements: number;
}

type Asking = { readonly act: "revert" | "checkout"; readonly n: number } | null;

function Row(props: {
  commit: Commit;
  onAsk: (asking: Asking) => void;
  onFork: (n: number) => void;
  onTag: (n: number) => void;
}) {
  const { commit } = props;
  const decision = decisionOfEvent(commit.event);
  const learned = commit.event.type === "update" && !commit.taken_back;
  return (
    <tr>
      <td className="mono">c{commit.n}</td>
      <td>{decision ? <DecisionLabel decision={decision} /> : commit.event.type}</td>
      <td className="num">{compact(commit.event.base_loss)}</td>
      <td className="num">{compact(commit.event.pre_loss)}</td>
      <td className="num">{compact(commit.event.post_loss)}</td>
      <td className="wrap">
        {(commit.event.reasons ?? []).map(sentenceOf).join(" ")}
        {commit.tags.map((tag) => (
          <span key={tag} className="tag ml-1">
            {tag}
          </span>
        ))}
        {commit.taken_back ? <span className="tag">taken back</span> : null}
        <Said review={commit.review} />
      </td>
      <td className="narrow-off" title={commit.time}>
        {clock(commit.time)}
      </td>
      <td>
        <span className="row">
          <button type="button" className="btn quiet sm" onClick={() => props.onFork(commit.n)}>
            fork<span className="sr"> at c{commit.n}</span>
          </button>
          <button type="button" className="btn quiet sm" onClick={() => props.onTag(commit.n)}>
            tag<span className="sr"> c{commit.n}</span>
          </button>
          <button
            type="button"
            className="btn quiet sm"
            onClick={() => props.onAsk({ act: "checkout", n: commit.n })}
          >
            checkout<span className="sr"> c{commit.n}</span>
          </button>
          <FlagButton domain="nano" commit={commit} word="flag" />
          {learned ? (
            <button
              type="button"
              className="btn quiet sm"
              onClick={() => props.onAsk({ act: "revert", n: commit.n })}
            >
              revert<span className="sr"> c{commit.n}</span>
            </button>
          ) : null}
        </span>
      </td>
    </tr>
  );
}

/** A session's commits, and what git can do with each. */
export function History({ sessionId }: { sessionId: string }) {
  const log = useLog(sessionId);
  const navigate = useNavigate();
  const [asking, setAsking] = useState<Asking>(null);
  const path = { params: { path: { session_id: sessionId } } };
  const revert = useAct(
    (n: number) =>
      take(api.POST("/api/sessions/{session_id}/revert", { ...path, body: { n: String(n) } })),
    TOUCHED,
  );
  const checkout = useAct(
    (n: number) =>
      take<{ session_id: string }>(
        api.POST("/api/sessions/{session_id}/checkout", { ...path, body: { n: String(n) } }),
      ),
    TOUCHED,
    (made) => void navigate(`/nano/${made.session_id}`),
  );
  const fork = useAct(
    (n: number) => {
      const child = `${sessionId.slice(0, 50)}-fork-${n}-${Date.now() % 10_000}`;
      return take<{ session_id: string }>(
        api.POST("/api/sessions/{session_id}/fork", {
          ...path,
          body: { child_session_id: child, n: String(n) },
        }),
      );
    },
    TOUCHED,
    (made) => void navigate(`/nano/${made.session_id}`),
  );
  const tag = useAct(
    ({ n, name }: { n: number; name: string }) =>
      take(api.POST("/api/sessions/{session_id}/tag", { ...path, body: { n: String(n), name } })),
    TOUCHED,
  );
  const bisect = useAct(
    () => take<Bisected>(api.POST("/api/sessions/{session_id}/bisect", { ...path, body: {} })),
    [],
  );
  const [naming, setNaming] = useState<number | null>(null);
  const [name, setName] = useState("");
  const fault = [revert, checkout, fork, tag, bisect].find((one) => one.error)?.error;
  const close = (confirmed: boolean) => {
    if (confirmed && asking) (asking.act === "revert" ? revert : checkout).mutate(asking.n);
    setAsking(null);
  };
  return (
    <Panel
      title="History"
      hint="the newest first; nothing is ever rewritten"
      flush
      actions={
        <button
          type="button"
          className="btn sm"
          disabled={bisect.isPending}
          onClick={() => bisect.mutate(undefined)}
        >
          Bisect: which input changed it?
        </button>
      }
    >
      {fault ? (
        <div className="p-3">
          <ErrorNote error={fault} />
        </div>
      ) : null}
      {bisect.data ? (
        <p className="p-3 border-b border-line" role="status">
          The reading turned with <b className="mono">{bisect.data.found}</b> ({bisect.data.event}),
          found by {bisect.data.measurements} measurements; the line lies at{" "}
          {compact(bisect.data.threshold)}.
        </p>
      ) : null}
      <Found query={log}>
        {(commits) =>
          commits.length === 0 ? (
            <Empty what="No commit." where="" />
          ) : (
            <ScrollBox label="commits" className="max-h-96">
              <table className="tbl">
                <thead>
                  <tr>
                    <th>commit</th>
                    <th>event</th>
                    <th className="num">base error</th>
                    <th className="num">before</th>
                    <th className="num">after</th>
                    <th>why</th>
                    <th className="narrow-off">time</th>
                    <th>do</th>
                  </tr>
                </thead>
                <tbody>
                  {commits.map((commit) => (
                    <Row
                      key={`${commit.session_id}:${commit.n}`}
                      commit={commit}
                      onAsk={setAsking}
                      onFork={(n) => fork.mutate(n)}
                      onTag={setNaming}
                    />
                  ))}
                </tbody>
              </table>
            </ScrollBox>
          )
        }
      </Found>
      {asking ? (
        <Confirm
          title={asking.act === "revert" ? `Take back c${asking.n}?` : `Check out c${asking.n}?`}
          action={asking.act === "revert" ? "Take it back" : "Start the branch"}
          onClose={close}
        >
          <p>
            {asking.act === "revert"
              ? "Every later input is learned again without this one, and one new commit holds the result. It can be taken back itself."
              : "A new session starts at this commit. This one stays as it is."}
          </p>
        </Confirm>
      ) : null}
      {naming === null ? null : (
        <Confirm
          title={`Name c${naming}`}
          action="Give the name"
          onClose={(confirmed) => {
            if (confirmed && name !== "") tag.mutate({ n: naming, name });
            setNaming(null);
            setName("");
          }}
        >
          <label className="stack gap-1 xs">
            A name for good: a-z, 0-9, _ and -
            <input
              className="inp wide"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          </label>
        </Confirm>
      )}
    </Panel>
  );
}
