import { useMemo } from "react";
import { Chart } from "@/components/Chart";
import { Panel } from "@/components/Panel";
import { meanInterval, PAIRS_MIN } from "@/lib/curves";
import { signed } from "@/lib/format";
import type { Turn } from "./turns";

function verdict(low: number, high: number): string {
  if (high < 0) return "Learning helps: the interval lies below zero.";
  if (low > 0) return "Learning hurts: the interval lies above zero.";
  return "No difference can be told yet: the interval holds zero.";
}

/** Loss on each message before it was learned from, with what earlier ones taught and without. */
export function Evidence({ turns, sessionId }: { turns: readonly Turn[]; sessionId: string }) {
  const pairs = useMemo(
    () =>
      turns.flatMap((turn, n) => {
        const { loss_base, loss_read } = turn.commit.event;
        return typeof loss_base === "number" && typeof loss_read === "number"
          ? [{ n: n + 1, base: loss_base, read: loss_read }]
          : [];
      }),
    [turns],
  );
  // Nothing was learned before the first message.
  const found = meanInterval(pairs.slice(1).map((one) => one.read - one.base));
  return (
    <Panel title="Does learning help?" hint="loss on each next message">
      {found ? (
        <div className="stack gap-1">
          <p>
            <span className="text-xl">{signed(found.mean, 2)}</span> nats a token
          </p>
          <p className="text-ink-2">
            95 % interval {signed(found.low, 2)} to {signed(found.high, 2)}, {found.n} messages,
            paired. {verdict(found.low, found.high)}
          </p>
        </div>
      ) : (
        <p className="text-ink-2">
          Too few messages to say: {Math.max(0, pairs.length - 1)} of at least {PAIRS_MIN} after the
          first.
        </p>
      )}
      {pairs.length > 1 ? (
        <Chart
          title="Nats a token"
          sentence="Loss of each message with what was learned before it, and with the frozen base alone."
          xName="message"
          x={pairs.map((one) => one.n)}
          series={[
            { name: "with learning", slot: 1, values: pairs.map((one) => one.read) },
            { name: "without", slot: 6, values: pairs.map((one) => one.base) },
          ]}
          sync={`chat-${sessionId}`}
          height={160}
          file={`${sessionId}-evidence`}
        />
      ) : null}
    </Panel>
  );
}
