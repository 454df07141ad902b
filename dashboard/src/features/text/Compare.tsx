import { useQueries } from "@tanstack/react-query";
import { useState } from "react";
import { takeText } from "@/api/client";
import { Switch } from "@/components/Controls";
import { Panel } from "@/components/Panel";
import { ScrollBox } from "@/components/ScrollBox";

function flat(value: unknown, prefix = ""): [string, string][] {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([name, inner]) =>
      flat(inner, prefix ? `${prefix}.${name}` : name),
    );
  }
  return [[prefix, JSON.stringify(value)]];
}

/** Saved runs side by side: configuration and summary, only where they differ. */
export function Compare({ runs }: { runs: readonly string[] }) {
  const [everything, setEverything] = useState(false);
  const reports = useQueries({
    queries: runs.map((run) => ({
      queryKey: ["report", run],
      staleTime: Number.POSITIVE_INFINITY,
      queryFn: async () => JSON.parse(await takeText(`/api/text/runs/${run}/report.json`)),
    })),
  });
  if (reports.some((one) => one.data === undefined)) return null;
  const columns = reports.map((one) => new Map(flat(one.data)));
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  const shown = names.filter(
    (name) => everything || new Set(columns.map((column) => column.get(name))).size > 1,
  );
  return (
    <Panel
      title={`Compare ${runs.length} runs`}
      hint={`${shown.length} of ${names.length} fields`}
      flush
      actions={<Switch label="what is the same, too" value={everything} onChange={setEverything} />}
    >
      <ScrollBox label="comparison" className="max-h-96">
        <table className="tbl">
          <thead>
            <tr>
              <th>field</th>
              {runs.map((run) => (
                <th key={run} className="mono">
                  {run}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((name) => (
              <tr key={name}>
                <td>{name}</td>
                {columns.map((column, n) => (
                  <td key={runs[n]} className="mono">
                    {column.get(name) ?? "none"}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
    </Panel>
  );
}
