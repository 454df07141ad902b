import { describe, expect, it } from "vitest";
import { ago, compact, count, duration, fixed, percent, shortId, signed } from "./format";

describe("numbers", () => {
  it("have a true minus, and no minus at zero", () => {
    expect(fixed(-1.5, 1)).toBe("\u22121.5");
    expect(fixed(-0.00001, 4)).toBe("0.0000");
  });
  it("that are differences carry their sign, but for zero", () => {
    expect([signed(0.25, 2), signed(-0.25, 2), signed(0.00001)]).toEqual([
      "+0.25",
      "\u22120.25",
      "0",
    ]);
  });
  it("that were not measured are never 0", () => {
    for (const show of [fixed, signed, compact, count, percent, duration]) {
      expect(show(null)).toBe("none");
      expect(show(undefined)).toBe("none");
    }
    expect(fixed(Number.NaN)).toBe("none");
  });
  it("are short whatever their size", () => {
    expect([compact(0.00012), compact(1234567), compact(0), compact(4.97654)]).toEqual([
      "1.2e\u22124",
      "1.2e+6",
      "0",
      "4.977",
    ]);
  });
  it("that are counts have thin spaces", () => {
    expect(count(1234567)).toBe("1\u202f234\u202f567");
  });
  it("that are shares are whole, and small ones are not nothing", () => {
    expect([percent(0.842), percent(0.001), percent(0)]).toEqual([
      "84\u202f%",
      "< 1\u202f%",
      "0\u202f%",
    ]);
  });
});

describe("times", () => {
  const now = Date.parse("2026-11-26T12:00:00Z");
  it("are told from now", () => {
    expect(ago("2026-11-26T11:59:30Z", now)).toBe("30 s ago");
    expect(ago("2026-11-26T11:30:00Z", now)).toBe("30 min ago");
    expect(ago("2026-11-25T11:00:00Z", now)).toBe("yesterday");
    expect(ago("2026-11-20T11:00:00Z", now)).toBe("2026-11-20");
    expect(ago("never", now)).toBe("none");
  });
  it("that pass are rounded as people say them", () => {
    expect([duration(0.0009), duration(0.25), duration(42), duration(600), duration(7200)]).toEqual(
      ["0.9 ms", "250 ms", "42 s", "10 min", "2.0 h"],
    );
  });
});

it("ids are short, and short ones stay", () => {
  expect([shortId("8f3a11112222c1"), shortId("ada")]).toEqual(["8f3a\u2026c1", "ada"]);
});
