import type { ComponentType } from "react";

export interface Screen {
  readonly path: string;
  readonly to: string;
  readonly name: string;
  readonly group: "Learn" | "Look inside";
  /** Which count of `/api/index` stands beside its name. */
  readonly counts?: "sessions" | "text_sessions" | "text_runs" | "text_models";
  readonly load: () => Promise<{ default: ComponentType }>;
}

/** Every screen there is; rail, routes and shortcuts come from this list. */
export const SCREENS: readonly Screen[] = [
  {
    path: "/",
    to: "/",
    name: "Overview",
    group: "Learn",
    load: () => import("@/features/overview/Overview"),
  },
  {
    path: "/nano/:sessionId?",
    to: "/nano",
    name: "Nano",
    group: "Learn",
    counts: "sessions",
    load: () => import("@/features/nano/Nano"),
  },
  {
    path: "/text/:runId?",
    to: "/text",
    name: "Text (Sentry)",
    group: "Learn",
    counts: "text_runs",
    load: () => import("@/features/text/Text"),
  },
  {
    path: "/train/:modelId?",
    to: "/train",
    name: "Train",
    group: "Learn",
    counts: "text_models",
    load: () => import("@/features/train/Train"),
  },
  {
    path: "/chat/:sessionId?",
    to: "/chat",
    name: "Chat",
    group: "Learn",
    counts: "text_sessions",
    load: () => import("@/features/chat/Chat"),
  },
  {
    path: "/sleep",
    to: "/sleep",
    name: "Sleep",
    group: "Learn",
    load: () => import("@/features/sleep/Sleep"),
  },
  {
    path: "/architecture",
    to: "/architecture",
    name: "Architecture",
    group: "Look inside",
    load: () => import("@/features/architecture/Architecture"),
  },
];
