import { act } from "react";
import { createRoot } from "react-dom/client";
import { MemoryRouter, useLocation } from "react-router";
import { expect, it } from "vitest";
import { useUrlChoice, useUrlState } from "./urlState";

it("a view's state is in the address, defaults are not, and strangers mean the default", async () => {
  (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
  const seen: { value: string; choice: string; search: string; set: (value: string) => void }[] =
    [];
  function Probe() {
    const [value, set] = useUrlState("chunk", "");
    const [choice] = useUrlChoice("scale", ["Linear", "Log"]);
    seen.push({ value, choice, search: useLocation().search, set });
    return null;
  }
  const root = createRoot(document.createElement("div"));
  await act(async () =>
    root.render(
      <MemoryRouter initialEntries={["/text?scale=dancing&chunk=7"]}>
        <Probe />
      </MemoryRouter>,
    ),
  );
  expect(seen.at(-1)).toMatchObject({ value: "7", choice: "Linear" });
  await act(async () => seen.at(-1)?.set("9"));
  expect(seen.at(-1)?.search).toBe("?scale=dancing&chunk=9");
  await act(async () => seen.at(-1)?.set(""));
  expect(seen.at(-1)?.search).toBe("?scale=dancing");
  await act(async () => root.unmount());
});
