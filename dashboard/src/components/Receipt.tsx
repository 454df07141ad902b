import { useId, useState } from "react";
import { type Decision, sentenceOf } from "@/lib/decisions";
import { compact, signed } from "@/lib/format";
import { Glyph } from "./Glyph";
import { type Signal, Signals } from "./Signals";

export interface ReceiptData {
  readonly decision: Decision;
  readonly reasons: readonly string[];
  readonly attempted: number | null;
  readonly kept: number | null;
  readonly canaryDelta: number | null;
  /** What the last station says, such as the commit. */
  readonly commit: string;
  readonly readings: readonly Signal[];
}

function Station(props: {
  name: string;
  reading?: string;
  state: "done" | "off" | "here";
  decision: Decision;
  line?: "on" | "off" | "back";
}) {
  const { name, reading, state, decision, line } = props;
  return (
    <span className={`st ${state === "off" ? "off" : ""}`}>
      {state === "here" ? <Glyph decision={decision} /> : <span className={`node ${state}`} />}
      <b>{name}</b>
      {reading ? <span className="reading">{reading}</span> : null}
      {line ? <span className={`ln ${line === "on" ? "" : line} d-${decision}`} /> : null}
    </span>
  );
}

/** What was judged, tried, probed and kept: four stations in four fixed columns. */
export function Receipt({ data, bare = false }: { data: ReceiptData; bare?: boolean }) {
  const [open, setOpen] = useState(false);
  const details = useId();
  const { decision } = data;
  const blocked = decision === "blocked";
  const back = decision === "reverted" || decision === "failed";
  const step =
    data.attempted === null
      ? "never ran"
      : data.kept !== null && data.kept !== data.attempted && data.kept > 0
        ? `${compact(data.attempted)} → ${compact(data.kept)}`
        : compact(data.attempted);
  return (
    <fieldset className={bare ? "" : "receipt"} aria-label={`receipt: ${decision}`}>
      <div className={`pipe d-${decision}`}>
        <Station
          name="gate"
          reading={blocked ? "objects" : "passed"}
          state={blocked ? "here" : "done"}
          decision={decision}
          line={blocked ? "off" : "on"}
        />
        <Station
          name="step"
          reading={blocked ? "never ran" : step}
          state={blocked ? "off" : decision === "shortened" ? "here" : "done"}
          decision={decision}
          line={blocked ? "off" : back ? "back" : "on"}
        />
        <Station
          name="probe"
          reading={data.canaryDelta === null ? "not probed" : signed(data.canaryDelta)}
          state={blocked ? "off" : back ? "here" : "done"}
          decision={decision}
          line={blocked || back ? "off" : "on"}
        />
        <Station
          name="commit"
          reading={data.commit}
          state={blocked || back ? "off" : "here"}
          decision={decision}
        />
        {data.readings.length > 0 ? (
          <button
            type="button"
            className="btn quiet sm"
            aria-expanded={open}
            aria-controls={details}
            onClick={() => setOpen(!open)}
          >
            {open ? "close" : "readings"}
          </button>
        ) : null}
      </div>
      {data.reasons.length > 0 ? (
        <p className={`row wrap xs pb-2 d-${decision}`}>
          {data.reasons.map((reason) => (
            <span key={reason} className="row wrap">
              <span className="chip">{reason}</span> {sentenceOf(reason)}
            </span>
          ))}
        </p>
      ) : null}
      <div id={details} hidden={!open} className="exp">
        <Signals all={data.readings} decision={decision} />
      </div>
    </fieldset>
  );
}
