import { create } from "zustand";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

interface ThemeState {
  readonly chosen: Theme;
  /** What the choice means right now. */
  readonly shown: "light" | "dark";
  readonly choose: (theme: Theme) => void;
}

const KEY = "ttt-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function shownAs(chosen: Theme): "light" | "dark" {
  if (chosen !== "system") return chosen;
  return dark.matches ? "dark" : "light";
}

function apply(chosen: Theme): "light" | "dark" {
  const shown = shownAs(chosen);
  document.documentElement.dataset.theme = shown;
  return shown;
}

const first = THEMES.find((one) => one === localStorage.getItem(KEY)) ?? "system";

/** Light, dark, or as the system is. */
export const useTheme = create<ThemeState>((set) => ({
  chosen: first,
  shown: apply(first),
  choose: (chosen) => {
    localStorage.setItem(KEY, chosen);
    set({ chosen, shown: apply(chosen) });
  },
}));

dark.addEventListener("change", () => {
  const { chosen } = useTheme.getState();
  useTheme.setState({ shown: apply(chosen) });
});
