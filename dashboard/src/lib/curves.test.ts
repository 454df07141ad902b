import { describe, expect, it } from "vitest";
import { columnsOf, forLog, meanInterval, smoothed } from "./curves";

describe("smoothed", () => {
  it("begins at the first value instead of being pulled to zero", () => {
    expect(smoothed([4, 4, 4], 0.9)).toEqual([4, expect.closeTo(4), expect.closeTo(4)]);
  });
  it("weighs as the debiased average does", () => {
    expect(smoothed([1, 3], 0.5)[1]).toBeCloseTo((0.25 * 1 + 0.5 * 3) / 0.75);
  });
  it("goes on behind what is missing", () => {
    expect(smoothed([2, null, 2], 0.5)).toEqual([2, null, expect.closeTo(2)]);
  });
  it("changes nothing at weight 0", () => {
    expect(smoothed([1, 5, 2], 0)).toEqual([1, 5, 2]);
  });
});

describe("forLog", () => {
  it("drops and counts what a logarithm has not", () => {
    expect(forLog([1, 0, -2, null, 3])).toEqual({ values: [1, null, null, null, 3], dropped: 2 });
  });
});

describe("meanInterval", () => {
  it("says nothing of three pairs", () => {
    expect(meanInterval([1, 2, 3])).toBeNull();
  });
  it("is Student's for four: t(3) is 3.182", () => {
    const found = meanInterval([0, 1, 2, 3]);
    const half = 3.182 * Math.sqrt(5 / 3 / 4);
    expect(found?.mean).toBe(1.5);
    expect((found?.high ?? 0) - 1.5).toBeCloseTo(half, 1);
  });
  it("approaches the normal one: t(100) is 1.984", () => {
    const values = Array.from({ length: 101 }, (_, n) => (n % 2 === 0 ? 1 : -1));
    const found = meanInterval(values);
    const sd = Math.sqrt(
      values.reduce((sum, one) => sum + (one - (found?.mean ?? 0)) ** 2, 0) / 100,
    );
    expect(((found?.high ?? 0) - (found?.low ?? 0)) / 2).toBeCloseTo(
      (1.984 * sd) / Math.sqrt(101),
      4,
    );
  });
});

describe("columnsOf", () => {
  it("reads numbers by the names of their columns", () => {
    expect(columnsOf("step,mse\n0,1e-6\n1,nan\n")).toEqual({
      step: [0, 1],
      mse: [1e-6, Number.NaN],
    });
  });
});
