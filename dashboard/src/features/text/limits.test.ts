import { expect, it } from "vitest";
import { asConfig, changedOptions, DEFAULTS } from "./limits";

it("only what differs from the defaults is sent and saved", () => {
  expect(changedOptions(DEFAULTS)).toEqual({});
  const choices = {
    ...DEFAULTS,
    numbers: { ...DEFAULTS.numbers, budget_nats: "0.01", lr: "" },
    backbone: "ssm" as const,
    enable_gate: false,
  };
  expect(changedOptions(choices)).toEqual({
    budget_nats: 0.01,
    backbone: "ssm",
    enable_gate: false,
  });
  expect(asConfig(choices)).toContain("budget_nats: 0.01\nbackbone: ssm\nenable_gate: false\n");
});
