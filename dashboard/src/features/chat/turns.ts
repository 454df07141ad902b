import type { Commit } from "@/api/types";

export interface Turn {
  readonly commit: Commit;
  readonly message: string;
  readonly answer: string;
}

/** The messages of a session, in their order: commits that hold one. */
export function turnsOf(commits: readonly Commit[]): Turn[] {
  return commits.flatMap((commit) => {
    const { message, answer } = commit.event;
    return message === undefined ? [] : [{ commit, message, answer: answer ?? "" }];
  });
}
