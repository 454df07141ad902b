import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { BrowserRouter, Route, Routes } from "react-router";
import { ApiError } from "@/api/client";
import { Shell } from "./Shell";
import { SCREENS } from "./screens";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      retry: (failures, error) => !(error instanceof ApiError) && failures < 3,
      refetchOnWindowFocus: true,
    },
  },
});

const pages = SCREENS.map((screen) => ({ ...screen, Page: lazy(screen.load) }));

/** The dashboard: one shell, one screen at a time. */
export function App() {
  return (
    <QueryClientProvider client={queries}>
      {/* Without transitions: a box that was ticked must not look unticked for a moment. */}
      <BrowserRouter useTransitions={false}>
        <Shell>
          <Suspense fallback={<p className="empty dim">Loading…</p>}>
            <Routes>
              {pages.map(({ path, Page }) => (
                <Route key={path} path={path} element={<Page />} />
              ))}
              <Route path="*" element={<NotFound />} />
            </Routes>
          </Suspense>
        </Shell>
      </BrowserRouter>
    </QueryClientProvider>
  );
}

function NotFound() {
  return <p className="empty">There is no such screen; the list of all is on the left.</p>;
}
