import { memo } from "react";
import { Link } from "react-router";
import { ScrollBox } from "@/components/ScrollBox";
import { ago, count } from "@/lib/format";
import type { Branch } from "./tree";

const LANE = 18;
const WIDTH = 260;

interface RowProps {
  readonly branch: Branch;
  readonly most: number;
  readonly isCurrent: boolean;
  readonly isPicked: boolean;
  readonly onPick: (id: string, picked: boolean) => void;
}

/** One session; drawn again only when something of it changed, for there may be thousands. */
const Row = memo(function Row({ branch, most, isCurrent, isPicked, onPick }: RowProps) {
  const { row, depth, from } = branch;
  const x = (n: number) => 6 + (n / most) * (WIDTH - 12);
  return (
    <tr className={isCurrent ? "sel" : ""}>
      <td>
        <input
          type="checkbox"
          aria-label={`compare ${row.session_id}`}
          checked={isPicked}
          onChange={(event) => onPick(row.session_id, event.target.checked)}
        />
      </td>
      <td style={{ paddingLeft: 8 + depth * LANE }}>
        <Link
          className="link mono"
          to={`/nano/${row.session_id}`}
          aria-current={isCurrent ? "true" : undefined}
        >
          {row.session_id}
        </Link>
        {row.damage ? <span className="chip d-failed ml-2">damaged</span> : null}
      </td>
      <td className="narrow-off">
        <svg width={WIDTH} height="20" aria-hidden="true">
          {from > 0 ? (
            <path d={`M${x(from)} 0V10`} stroke="var(--line-strong)" strokeDasharray="2 2" />
          ) : null}
          <path
            d={`M${x(from)} 10H${x(from + row.commits - 1)}`}
            stroke="var(--ink-2)"
            strokeWidth="1.5"
          />
          <circle cx={x(from)} cy="10" r="3" fill="var(--panel)" stroke="var(--ink-2)" />
          <circle cx={x(from + row.commits - 1)} cy="10" r="4" fill="var(--ink)" />
        </svg>
      </td>
      <td className="num">{count(row.commits)}</td>
      <td className="narrow-off">
        {row.head_type}, {ago(row.head_time, Date.now())}
      </td>
    </tr>
  );
});

/** Every session as a line of its commits; a fork begins below the commit that it was made at. */
export function SessionTree(props: {
  branches: readonly Branch[];
  current: string | undefined;
  picked: readonly string[];
  /** Must be stable. */
  onPick: (id: string, picked: boolean) => void;
}) {
  const most = Math.max(1, ...props.branches.map((one) => one.from + one.row.commits));
  const picked = new Set(props.picked);
  return (
    <ScrollBox label="tree of sessions" className="max-h-96">
      <table className="tbl">
        <thead>
          <tr>
            <th>compare</th>
            <th>session</th>
            <th className="narrow-off">commits, root at the left</th>
            <th className="num">commits</th>
            <th className="narrow-off">newest</th>
          </tr>
        </thead>
        <tbody>
          {props.branches.map((branch) => (
            <Row
              key={branch.row.session_id}
              branch={branch}
              most={most}
              isCurrent={branch.row.session_id === props.current}
              isPicked={picked.has(branch.row.session_id)}
              onPick={props.onPick}
            />
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}
