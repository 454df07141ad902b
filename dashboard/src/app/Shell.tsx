import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { NavLink, useNavigate } from "react-router";
import { ApiError, setToken } from "@/api/client";
import type { Index } from "@/api/types";
import { Segment } from "@/components/Controls";
import { useLive, useLiveEvents } from "@/lib/live";
import { useIndex } from "@/lib/queries";
import { type Shortcut, useShortcutListener, useShortcuts } from "@/lib/shortcuts";
import { THEMES, useTheme } from "@/lib/theme";
import { KeySheet } from "./KeySheet";
import { SCREENS } from "./screens";

const NARROW = ["/", "/text", "/chat", "/nano"];

function Mark() {
  return (
    <svg width="26" height="18" viewBox="0 0 26 18" aria-hidden="true">
      <path d="M2 2v14M7 2v14M24 2v14" stroke="currentColor" strokeWidth="3" />
      <path d="M19 3v12l-8-6z" fill="none" stroke="currentColor" strokeWidth="2" />
    </svg>
  );
}

function Rail({ index }: { index: Index | undefined }) {
  return (
    <nav className="rail" aria-label="screens">
      <div className="brand">
        <Mark /> ttt <span className="dim xs">local</span>
      </div>
      {(["Learn", "Look inside"] as const).map((group) => (
        <div key={group} className="nav">
          <h3>{group}</h3>
          {SCREENS.filter((screen) => screen.group === group).map((screen) => (
            <NavLink key={screen.to} to={screen.to} end={screen.to === "/"}>
              {screen.name}
              {screen.counts && index ? (
                <span className="n">{index.counts[screen.counts]}</span>
              ) : null}
            </NavLink>
          ))}
        </div>
      ))}
    </nav>
  );
}

function BottomTabs() {
  const first = SCREENS.filter((screen) => NARROW.includes(screen.to));
  const rest = SCREENS.filter((screen) => !NARROW.includes(screen.to));
  return (
    <nav className="tabs" aria-label="screens">
      {first.map((screen) => (
        <NavLink key={screen.to} to={screen.to} end={screen.to === "/"}>
          {screen.name.split(" ")[0]}
        </NavLink>
      ))}
      <details>
        <summary>More</summary>
        <div>
          {rest.map((screen) => (
            <NavLink key={screen.to} to={screen.to}>
              {screen.name}
            </NavLink>
          ))}
        </div>
      </details>
    </nav>
  );
}

function TokenForm() {
  const [text, setText] = useState("");
  const queries = useQueryClient();
  return (
    <main>
      <form
        className="panel in stack max-w-[520px] p-6 mx-auto mt-12"
        onSubmit={(event) => {
          event.preventDefault();
          setToken(text);
          void queries.invalidateQueries();
        }}
      >
        <h1>The service wants its token</h1>
        <p className="text-ink-2">
          Open the address that <code>ttt serve</code> printed when it started; the token stands
          behind its <code>#</code>. Each start draws a new one. Or paste it here:
        </p>
        <input
          className="inp wide"
          aria-label="token"
          type="password"
          autoComplete="off"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit" className="btn pri self-start" disabled={text.trim() === ""}>
          Open the dashboard
        </button>
      </form>
    </main>
  );
}

function StatusBar({ index }: { index: Index | undefined }) {
  const last = useLive((state) => state.last);
  return (
    <footer className="status">
      <span>
        <span className="dim">artifacts</span> {index?.artifacts_root ?? "…"}
      </span>
      <span>
        <span className="dim">current base</span> {index?.base ?? "…"}
      </span>
      <span className="ml-auto">
        <span className="dim">last event</span> {last ?? "none yet"}
      </span>
      <span>
        <kbd>?</kbd> shortcuts
      </span>
    </footer>
  );
}

/** Rail, top bar and status bar around every screen. */
export function Shell({ children }: { children: React.ReactNode }) {
  const navigate = useNavigate();
  const [keys, setKeys] = useState(false);
  const theme = useTheme();
  const connected = useLive((state) => state.connected);
  const index = useIndex();
  useLiveEvents(index.isSuccess);
  useShortcutListener();
  const shortcuts = useMemo<Shortcut[]>(
    () => [
      { key: "?", does: "show the shortcuts of this screen", run: () => setKeys(true) },
      ...SCREENS.map((screen, n) => ({
        key: String(n + 1),
        does: `open ${screen.name}`,
        run: () => void navigate(screen.to),
      })),
    ],
    [navigate],
  );
  useShortcuts(shortcuts);
  if (index.error instanceof ApiError && index.error.status === 401) return <TokenForm />;
  const offline = index.isError || (index.isSuccess && !connected);
  return (
    <div className="shell">
      <Rail index={index.data} />
      <div className="flex flex-col min-w-0">
        <header className="top min-h-[44px]">
          <span className="md:hidden row font-semibold">
            <Mark /> ttt
          </span>
          <span className="ml-auto" />
          <Segment label="theme" words={THEMES} value={theme.chosen} onChange={theme.choose} />
          <span className={`decision d-${offline ? "failed" : "committed"}`} role="status">
            {offline ? "offline" : "live"}
          </span>
        </header>
        {offline && index.isError ? (
          <p className="note warn m-4" role="alert">
            The service does not answer. What is shown is what it last said; it is asked again by
            itself. If it was stopped, start it with <code>ttt serve</code>.
          </p>
        ) : null}
        <main>{children}</main>
      </div>
      <StatusBar index={index.data} />
      <BottomTabs />
      {keys ? <KeySheet onClose={() => setKeys(false)} /> : null}
    </div>
  );
}
