import { expect, it } from "vitest";
import type { SessionRow } from "@/api/types";
import { branchesOf } from "./tree";

function row(session_id: string, parent: string | null): SessionRow {
  return {
    session_id,
    parent,
    created_at: "",
    commits: 3,
    head_type: "",
    head_time: "",
    damage: "",
  };
}

it("forks stand behind their parents, and one whose parent is gone by itself", () => {
  const found = branchesOf([
    row("a", null),
    row("b", null),
    row("a2", "a:4"),
    row("a3", "a2:6"),
    row("lost", "gone:2"),
  ]);
  expect(found.map((one) => [one.row.session_id, one.depth, one.from])).toEqual([
    ["a", 0, 0],
    ["a2", 1, 4],
    ["a3", 2, 6],
    ["b", 0, 0],
    ["lost", 0, 0],
  ]);
});
