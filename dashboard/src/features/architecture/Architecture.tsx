import { useQuery } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import type { Architecture as Matrix } from "@/api/types";
import { PageHead, Panel } from "@/components/Panel";
import { ScrollBox } from "@/components/ScrollBox";
import { Found } from "@/components/States";

const STATIONS = [
  { name: "input", text: "a message, a chunk, a stretch of a plant" },
  { name: "gate", text: "judges the text before anything moves" },
  { name: "step", text: "one proposed change of the fast weights" },
  { name: "probe", text: "canaries are read again with the change in place" },
  { name: "commit", text: "kept as a numbered record, or undone byte for byte" },
] as const;

function Flow() {
  return (
    <ol className="flex flex-wrap gap-2 items-stretch">
      {STATIONS.map((station, n) => (
        <li key={station.name} className="row">
          {n > 0 ? (
            <span aria-hidden="true" className="dim">
              →
            </span>
          ) : null}
          <span className="border border-line-strong rounded-sm px-3 py-2 w-44">
            <b className="block">{station.name}</b>
            <span className="xs text-ink-2 block">{station.text}</span>
          </span>
        </li>
      ))}
    </ol>
  );
}

function Coverage({ matrix }: { matrix: Matrix }) {
  return (
    <ScrollBox label="coverage">
      <table className="tbl">
        <thead>
          <tr>
            <th>layer</th>
            {matrix.domains.map((domain) => (
              <th key={domain}>{domain}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {matrix.layers.map((row) => (
            <tr key={row.layer} className="align-top">
              <th scope="row" className="py-2">
                {row.layer}
              </th>
              {matrix.domains.map((domain) => {
                const cell = row.cells[domain];
                return (
                  <td key={domain} className="wrap py-2">
                    {cell?.by ? (
                      <>
                        <b>guarded</b>
                        <code className="block xs text-ink-2 break-all">{cell.by}</code>
                        <details className="xs dim">
                          <summary>the test that shows it</summary>
                          <code className="break-all">{cell.test}</code>
                        </details>
                      </>
                    ) : (
                      <span className="text-ink-2">not guarded: {cell?.why ?? "unknown"}</span>
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}

/** The parts, what may change them, and which guard stands there. */
export default function Architecture() {
  const matrix = useQuery({
    queryKey: ["architecture"],
    queryFn: () => take<Matrix>(api.GET("/api/architecture")),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <>
      <PageHead
        title="Architecture"
        sentence="The parts, what may change them, and which guard stands there. Computed from the code; a test runs each domain and watches which functions are called."
      />
      <div className="stack">
        <Panel title="What happens to every input" hint="the same five stations everywhere">
          <Flow />
        </Panel>
        <Panel title="Safety coverage" hint="layer by domain; where nothing stands, why" flush>
          <Found query={matrix}>{(found) => <Coverage matrix={found} />}</Found>
        </Panel>
      </div>
    </>
  );
}
