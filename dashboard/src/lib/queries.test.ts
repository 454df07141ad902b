import { expect, it } from "vitest";
import { everyRow } from "./queries";

it("a list of many pages is read to its end, and one that ends with a page too", async () => {
  for (const size of [0, 499, 500, 501, 1000, 1234]) {
    const asked: number[] = [];
    const rows = await everyRow(async ({ offset, limit }) => {
      asked.push(offset);
      return Array.from(
        { length: Math.max(0, Math.min(limit, size - offset)) },
        (_, n) => offset + n,
      );
    });
    expect(rows).toEqual(Array.from({ length: size }, (_, n) => n));
    expect(asked.length).toBe(Math.floor(size / 500) + 1);
  }
});
