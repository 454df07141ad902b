import { expect, it } from "vitest";
import { asCsv } from "./save";

it("cells with commas, quotes and lines are quoted", () => {
  expect(
    asCsv(
      ["a", "b"],
      [
        ["x,y", 'say "hi"'],
        [null, "two\nlines"],
      ],
    ),
  ).toBe('a,b\n"x,y","say ""hi"""\n,"two\nlines"');
});
