/** Server-sent events from a stream of text, whatever its pieces are (HTML standard, 9.2.6). */

export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

/** Takes pieces of a stream and gives the events that they complete. */
export class EventParser {
  #rest = "";
  #id = "";

  push(piece: string): StreamEvent[] {
    const blocks = (this.#rest + piece).replaceAll("\r\n", "\n").split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => this.#parsed(block));
  }

  #parsed(block: string): StreamEvent[] {
    let event = "message";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "event") event = value;
      if (name === "data") data.push(value);
      if (name === "id") this.#id = value;
    }
    return data.length > 0 ? [{ event, data: data.join("\n"), id: this.#id }] : [];
  }
}
