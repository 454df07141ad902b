import type { SessionRow } from "@/api/types";

export interface Branch {
  readonly row: SessionRow;
  readonly depth: number;
  /** The commit of the parent that it begins at. */
  readonly from: number;
}

/** Sessions as a tree, each right behind its parent; one whose parent is gone stands by itself. */
export function branchesOf(rows: readonly SessionRow[]): Branch[] {
  const ids = new Set(rows.map((row) => row.session_id));
  const placeOf = (row: SessionRow) => {
    const [parent = "", n = "0"] = (row.parent ?? "").split(":");
    return ids.has(parent) ? { parent, n: Number(n) } : { parent: "", n: 0 };
  };
  const under = (parent: string, depth: number): Branch[] =>
    rows
      .filter((row) => placeOf(row).parent === parent)
      .flatMap((row) => [
        { row, depth, from: placeOf(row).n },
        ...under(row.session_id, depth + 1),
      ]);
  return under("", 0);
}
