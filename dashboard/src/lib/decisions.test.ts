import { describe, expect, it } from "vitest";
import {
  asDecision,
  countDecisions,
  decisionOfChunk,
  decisionOfEvent,
  sentenceOf,
} from "./decisions";

describe("decisions", () => {
  it("of a chunk say what the write guard cut down", () => {
    expect(decisionOfChunk({ outcome: "committed", spfw_lr_eff: 0.5 })).toBe("shortened");
    expect(decisionOfChunk({ outcome: "committed", spfw_lr_eff: 1 })).toBe("committed");
    expect(decisionOfChunk({ outcome: "committed" })).toBe("committed");
    expect(decisionOfChunk({ outcome: "refused" })).toBe("blocked");
    expect(decisionOfChunk({ outcome: "reverted" })).toBe("reverted");
  });
  it("of a commit are none where nothing was tried", () => {
    expect(decisionOfEvent({ type: "init" })).toBeNull();
    expect(
      decisionOfEvent({ type: "update", chunks: [{ outcome: "committed", spfw_lr_eff: 0.2 }] }),
    ).toBe("shortened");
    expect(decisionOfEvent({ type: "blocked" })).toBe("blocked");
  });
  it("that are unknown count as failures, never as success", () => {
    expect(asDecision("wonderful")).toBe("failed");
    expect(decisionOfChunk({})).toBe("failed");
  });
  it("are counted in their order, without those that are none", () => {
    expect(countDecisions(["blocked", "committed", "blocked"])).toEqual([
      ["committed", 1],
      ["blocked", 2],
    ]);
  });
});

it("a reason that nobody knows is shown as it is", () => {
  expect(sentenceOf("blob")).toContain("encoded");
  expect(sentenceOf("my_plugin:x")).toBe("my_plugin:x");
});
