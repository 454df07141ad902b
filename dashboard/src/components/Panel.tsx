import { useId } from "react";

interface PanelProps {
  readonly title: string;
  readonly hint?: string | undefined;
  readonly actions?: React.ReactNode;
  readonly children: React.ReactNode;
  readonly flush?: boolean;
}

/** A titled part of a screen. */
export function Panel({ title, hint, actions, children, flush = false }: PanelProps) {
  const heading = useId();
  return (
    <section className="panel" aria-labelledby={heading}>
      <header>
        <h2 id={heading}>{title}</h2>
        {hint ? <p>{hint}</p> : null}
        {actions ? <div className="acts">{actions}</div> : null}
      </header>
      {flush ? children : <div className="in">{children}</div>}
    </section>
  );
}

/** The head of a screen: its name, and a sentence that a newcomer understands. */
export function PageHead(props: { title: string; sentence: string; actions?: React.ReactNode }) {
  return (
    <div className="phead">
      <div>
        <h1>{props.title}</h1>
        <p>{props.sentence}</p>
      </div>
      {props.actions ? <div className="acts">{props.actions}</div> : null}
    </div>
  );
}

export interface Stat {
  readonly name: string;
  readonly value: string;
  readonly unit?: string;
  readonly sub?: string | undefined;
}

/** A few headline readings. */
export function Stats({ all }: { all: readonly Stat[] }) {
  return (
    <dl className="panel stats overflow-hidden">
      {all.map((one) => (
        <div key={one.name}>
          <dt>{one.name}</dt>
          <dd>
            <span className="big">{one.value}</span> {one.unit}
            {one.sub ? <div className="sub">{one.sub}</div> : null}
          </dd>
        </div>
      ))}
    </dl>
  );
}
