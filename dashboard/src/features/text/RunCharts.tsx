import { useMemo } from "react";
import { Chart } from "@/components/Chart";
import { Segment } from "@/components/Controls";
import { Panel } from "@/components/Panel";
import { signed } from "@/lib/format";
import { useUrlChoice, useUrlState } from "@/lib/urlState";
import { held, type RunView } from "./view";

/** What each attempt did to the canaries, what was kept, and what it was worth. */
export function RunCharts(props: {
  name: string;
  view: RunView;
  budget: number;
  onZoom: (range: readonly [number, number] | null) => void;
}) {
  const { view } = props;
  const [scale, setScale] = useUrlChoice("scale", ["Linear", "Log"]);
  const [smoothing, setSmoothing] = useUrlState("smooth", "0.5");
  const log = scale === "Log";
  const kept = useMemo(
    () => view.canary.map((value, n) => (view.decisions[n] === "reverted" ? null : value)),
    [view],
  );
  const undone = useMemo(
    () => view.canary.map((value, n) => (view.decisions[n] === "reverted" ? value : null)),
    [view],
  );
  const drift = useMemo(() => held(view.drift), [view]);
  const shared = { xName: "chunk", x: view.index, sync: `run-${props.name}`, onZoom: props.onZoom };
  return (
    <Panel
      title="Canary and drift"
      hint={
        view.thinned
          ? "each bucket keeps its lowest, highest and last; drag to see all"
          : "drag to zoom, double click to go back"
      }
      actions={
        <>
          <label className="row xs text-ink-2">
            smoothing {smoothing}
            <input
              type="range"
              min="0"
              max="0.99"
              step="0.01"
              value={smoothing}
              onChange={(event) => setSmoothing(event.target.value)}
            />
          </label>
          <Segment label="loss axis" words={["Linear", "Log"]} value={scale} onChange={setScale} />
        </>
      }
    >
      <div className="stack">
        <Chart
          {...shared}
          title="Canary change of each attempt, nats (above zero is harm)"
          sentence={`The newest attempt changed the canaries by ${signed(kept.findLast((one) => one !== null))} nats.`}
          series={[
            { name: "kept", slot: 1, points: true, values: kept },
            { name: "undone", slot: 4, points: true, values: undone },
          ]}
          file={`${props.name}-canary`}
        />
        <Chart
          {...shared}
          title="Drift kept since the start, nats"
          sentence={`The canaries stand ${signed(drift.at(-1))} nats from where they started; the budget is ${props.budget}.`}
          series={[{ name: "drift", slot: 1, stepped: true, values: drift }]}
          limit={{ value: props.budget, label: `budget ${props.budget} nats` }}
          height={130}
          file={`${props.name}-drift`}
        />
        <Chart
          {...shared}
          title="Loss before learning from the chunk, nats per token"
          sentence="What the mixture with the frozen base reads, beside the frozen base alone."
          series={[
            { name: "as read", slot: 1, values: view.lossMixed },
            { name: "frozen base", slot: 6, values: view.lossBase },
          ]}
          log={log}
          smoothing={Number(smoothing)}
          file={`${props.name}-loss`}
        />
      </div>
    </Panel>
  );
}
