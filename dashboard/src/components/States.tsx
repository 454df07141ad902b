import { ApiError } from "@/api/client";

/** Nothing here: what was looked for, where, and what fills it. */
export function Empty(props: {
  what: string;
  where: string;
  command?: string;
  children?: React.ReactNode;
}) {
  return (
    <div className="empty stack">
      <p>
        <b>{props.what}</b> {props.where}
      </p>
      {props.command ? (
        <p>
          On the command line: <code>{props.command}</code>
        </p>
      ) : null}
      {props.children}
    </div>
  );
}

/** Something went wrong: what, and what to do. */
export function ErrorNote({ error, again }: { error: Error; again?: (() => void) | undefined }) {
  const status = error instanceof ApiError ? ` (${error.status})` : "";
  return (
    <div className="note bad row wrap" role="alert">
      <span>
        {error.message}
        {status}
      </span>
      {again ? (
        <button type="button" className="btn sm" onClick={again}>
          Try again
        </button>
      ) : null}
    </div>
  );
}

interface Asked<Data> {
  readonly data: Data | undefined;
  readonly error: Error | null;
  readonly refetch: () => unknown;
}

/** What a query found, or why it found nothing. */
export function Found<Data>(props: {
  query: Asked<Data>;
  children: (data: Data) => React.ReactNode;
}) {
  const { query } = props;
  if (query.data !== undefined) return props.children(query.data);
  if (query.error) return <ErrorNote error={query.error} again={() => void query.refetch()} />;
  return <p className="empty dim">Reading…</p>;
}
