import { useState } from "react";
import { Heatmap } from "@/components/Heatmap";
import { Panel } from "@/components/Panel";
import { ScrollBox } from "@/components/ScrollBox";
import { Found } from "@/components/States";
import { compact, fixed, percent } from "@/lib/format";
import { useDiff, useWeights } from "./useNano";

/** The weights of the head, their singular values, and what lies between two commits. */
export function WeightsPanel({ sessionId }: { sessionId: string }) {
  const weights = useWeights(sessionId, "head");
  return (
    <Panel title="Weights at the head" hint="entries and true singular values">
      <Found query={weights}>
        {(all) => (
          <div className="grid gap-4 md:grid-cols-3">
            {all.map((one) => (
              <div key={one.name} className="stack gap-1">
                <b className="mono">{one.name}</b>
                <span className="xs text-ink-2">
                  {one.shape.join(" × ")}, norm {compact(one.norm)}
                </span>
                <Heatmap values={one.values} name={one.name} />
                <span className="xs text-ink-2">
                  singular values{" "}
                  {one.singular_values
                    .slice(0, 6)
                    .map((value) => compact(value))
                    .join(", ")}
                  {one.singular_values.length > 6 ? ", …" : ""}
                </span>
              </div>
            ))}
          </div>
        )}
      </Found>
    </Panel>
  );
}

/** Two commits, tensor by tensor; `a` may be of another session, as in `other:head`. */
export function DiffPanel({ sessionId, other }: { sessionId: string; other?: string | undefined }) {
  const [a, setA] = useState(other ? `${other}:head` : "0");
  const [b, setB] = useState("head");
  const [everything, setEverything] = useState(false);
  const found = useDiff(sessionId, a, b);
  return (
    <Panel
      title="Difference"
      hint="only what differs"
      flush
      actions={
        <>
          <label className="row xs">
            from
            <input className="inp" value={a} onChange={(event) => setA(event.target.value)} />
          </label>
          <label className="row xs">
            to
            <input className="inp" value={b} onChange={(event) => setB(event.target.value)} />
          </label>
          <label className="row xs">
            <input
              type="checkbox"
              checked={everything}
              onChange={(event) => setEverything(event.target.checked)}
            />
            all
          </label>
        </>
      }
    >
      <Found query={found}>
        {(all) => {
          const rows = all.filter((one) => everything || one.changed > 0);
          if (rows.length === 0) return <p className="empty">The two are the same, bit for bit.</p>;
          return (
            <ScrollBox label="differences">
              <table className="tbl">
                <thead>
                  <tr>
                    <th>tensor</th>
                    <th className="num">norm of the difference</th>
                    <th className="num">relative</th>
                    <th className="num">cosine</th>
                    <th className="num">changed</th>
                    <th className="num">rank</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((one) => (
                    <tr key={one.name}>
                      <td className="mono">{one.name}</td>
                      <td className="num">{compact(one.norm_delta)}</td>
                      <td className="num">{compact(one.relative)}</td>
                      <td className="num">{fixed(one.cosine, 3)}</td>
                      <td className="num">{percent(one.changed)}</td>
                      <td className="num">{one.rank ?? "none"}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </ScrollBox>
          );
        }}
      </Found>
    </Panel>
  );
}
