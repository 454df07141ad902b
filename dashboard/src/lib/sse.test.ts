import { describe, expect, it } from "vitest";
import { EventParser } from "./sse";

const STREAM =
  ': listening\nretry: 1000\n\nevent: told\ndata: {"n":1}\nid: a-1\n\ndata: one\ndata: two\n\n';

describe("EventParser", () => {
  it("reads events however the stream is cut", () => {
    for (let cut = 0; cut <= STREAM.length; cut += 1) {
      const parser = new EventParser();
      const found = [...parser.push(STREAM.slice(0, cut)), ...parser.push(STREAM.slice(cut))];
      expect(found).toEqual([
        { event: "told", data: '{"n":1}', id: "a-1" },
        { event: "message", data: "one\ntwo", id: "a-1" },
      ]);
    }
  });
  it("takes carriage returns, and keeps back what is not whole", () => {
    const parser = new EventParser();
    expect(parser.push("data: x\r\n\r\ndata: y\r\n")).toEqual([
      { event: "message", data: "x", id: "" },
    ]);
  });
});
