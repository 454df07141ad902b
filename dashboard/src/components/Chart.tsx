import { useEffect, useId, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { forLog, smoothed } from "@/lib/curves";
import { compact } from "@/lib/format";
import { asCsv, saveBlob, saveText } from "@/lib/save";
import { useTheme } from "@/lib/theme";
import { ScrollBox } from "./ScrollBox";

export interface Series {
  readonly name: string;
  readonly values: readonly (number | null)[];
  /** Which of the six series colours and dashes. */
  readonly slot: 1 | 2 | 3 | 4 | 5 | 6;
  /** Points that are never joined, such as validations. */
  readonly points?: boolean;
  /** Steps between values instead of slopes. */
  readonly stepped?: boolean;
}

interface ChartProps {
  readonly title: string;
  /** What the picture says, in a sentence; for those who do not see it, too. */
  readonly sentence: string;
  readonly xName: string;
  readonly x: readonly number[];
  readonly series: readonly Series[];
  readonly log?: boolean;
  readonly logX?: boolean;
  /** Debiased exponential smoothing, 0 to 0.99; the raw curve stays behind. */
  readonly smoothing?: number;
  readonly limit?: { readonly value: number; readonly label: string } | undefined;
  readonly height?: number;
  /** Charts with the same key share zoom and hover. */
  readonly sync: string;
  readonly onZoom?: (range: readonly [number, number] | null) => void;
  readonly file: string;
}

const DASHES: Readonly<Record<number, number[]>> = {
  1: [],
  2: [6, 3],
  3: [2, 2.5],
  4: [8, 3, 2, 3],
  5: [4, 2],
  6: [1, 3],
};

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(name: string): uPlot.Axis {
  return {
    stroke: token("--ink-3"),
    font: "10.5px system-ui, sans-serif",
    grid: { stroke: token("--grid"), width: 1, show: name === "y" },
    ticks: { show: false },
    size: name === "y" ? 52 : 24,
    gap: 4,
    values: (_: uPlot, splits: number[]) =>
      splits.map((value) => (value === null ? "" : compact(value))),
  };
}

function lineOf(series: Series, faint: boolean): uPlot.Series {
  const colour = token(`--s${series.slot}`);
  const base: uPlot.Series = {
    label: series.name,
    stroke: colour,
    width: faint ? 1 : series.slot === 1 ? 2 : 1.5,
    alpha: faint ? 0.35 : 1,
    dash: faint ? [] : (DASHES[series.slot] ?? []),
    spanGaps: false,
    points: { show: series.points ?? false, size: 6, fill: colour, stroke: colour },
  };
  if (series.points) return { ...base, paths: () => null };
  if (series.stepped && uPlot.paths.stepped)
    return { ...base, paths: uPlot.paths.stepped({ align: 1 }) };
  return base;
}

function drawLimit(limit: { value: number; label: string }) {
  return (u: uPlot) => {
    const y = u.valToPos(limit.value, "y", true);
    const { left, width, top, height } = u.bbox;
    if (y < top || y > top + height) return;
    const { ctx } = u;
    ctx.save();
    ctx.strokeStyle = token("--ink-2");
    ctx.fillStyle = token("--ink-2");
    ctx.setLineDash([5 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
    ctx.font = `${10.5 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = y - top < 16 * devicePixelRatio ? "top" : "bottom";
    ctx.fillText(
      limit.label,
      left + width,
      y + (ctx.textBaseline === "top" ? 3 : -2) * devicePixelRatio,
    );
    ctx.restore();
  };
}

/** The columns that are drawn: each series, with its raw curve behind it where it is smoothed. */
function prepared(props: ChartProps) {
  let dropped = 0;
  const lines: { series: Series; values: (number | null)[]; faint: boolean }[] = [];
  for (const series of props.series) {
    const finite = series.values.map((one) => (one !== null && Number.isFinite(one) ? one : null));
    const shown = props.log ? forLog(finite) : { values: finite, dropped: 0 };
    dropped += shown.dropped;
    const smooth = (props.smoothing ?? 0) > 0 && !series.points;
    if (smooth) lines.push({ series, values: shown.values, faint: true });
    const values = smooth ? smoothed(shown.values, props.smoothing ?? 0) : shown.values;
    lines.push({ series, values, faint: false });
  }
  return { lines, dropped };
}

function options(props: ChartProps, width: number, lines: ReturnType<typeof prepared>["lines"]) {
  const logScale = { distr: 3 as const, log: 10 as const };
  const setScale = (u: uPlot, key: string) => {
    const { min, max } = u.scales.x ?? {};
    if (key !== "x" || min === undefined || max === undefined || min === null || max === null)
      return;
    const whole = min <= (props.x[0] ?? 0) && max >= (props.x.at(-1) ?? 0);
    props.onZoom?.(whole ? null : [min, max]);
  };
  return {
    width,
    height: props.height ?? 180,
    legend: { show: false },
    cursor: { sync: { key: props.sync, setSeries: false }, drag: { x: true, y: false } },
    scales: {
      x: { time: false, ...(props.logX ? logScale : {}) },
      y: props.log ? logScale : {},
    },
    axes: [axis("x"), axis("y")],
    series: [{ label: props.xName }, ...lines.map((one) => lineOf(one.series, one.faint))],
    hooks: {
      draw: props.limit ? [drawLimit(props.limit)] : [],
      setScale: [setScale],
    },
  } satisfies uPlot.Options;
}

function Twin({ props }: { props: ChartProps }) {
  const rows = props.x
    .slice(-200)
    .map((_, i) => props.x.length - Math.min(200, props.x.length) + i);
  return (
    <ScrollBox label={`${props.title}, as a table`} className="max-h-60">
      <table className="tbl">
        <thead>
          <tr>
            <th className="num">{props.xName}</th>
            {props.series.map((one) => (
              <th key={one.name} className="num">
                {one.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row}>
              <td className="num">{compact(props.x[row])}</td>
              {props.series.map((one) => (
                <td key={one.name} className="num">
                  {compact(one.values[row])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}

/** Curves over one axis: zoom by dragging, back by a double click, a table for each. */
export function Chart(props: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [table, setTable] = useState(false);
  const theme = useTheme((state) => state.shown);
  const caption = useId();
  const { lines, dropped } = prepared(props);
  const shape = JSON.stringify([
    props.log,
    props.logX,
    props.height,
    props.sync,
    props.limit,
    theme,
    lines.map((one) => [one.series.name, one.series.slot, one.faint]),
  ]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` says all that needs a new plot.
  useEffect(() => {
    const box = place.current;
    if (!box || table) return;
    const made = prepared(latest.current);
    const data = [latest.current.x, ...made.lines.map((one) => one.values)] as uPlot.AlignedData;
    plot.current = new uPlot(options(latest.current, box.clientWidth, made.lines), data, box);
    const watch = new ResizeObserver(() =>
      plot.current?.setSize({ width: box.clientWidth, height: latest.current.height ?? 180 }),
    );
    watch.observe(box);
    return () => {
      watch.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, table]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: data alone; a new shape draws anew.
  useEffect(() => {
    const data = [props.x, ...lines.map((one) => one.values)] as uPlot.AlignedData;
    const { min, max } = plot.current?.scales.x ?? {};
    const before = plot.current?.data[0] ?? [];
    const zoomed =
      min !== undefined &&
      min !== null &&
      before.length > 0 &&
      (min > (before[0] ?? 0) || (max ?? 0) < (before.at(-1) ?? 0));
    plot.current?.setData(data, !zoomed);
  }, [props.x, props.series, props.smoothing]);

  const saveCsv = () => {
    const rows = props.x.map((x, i) => [x, ...props.series.map((one) => one.values[i])]);
    saveText(
      `${props.file}.csv`,
      asCsv([props.xName, ...props.series.map((one) => one.name)], rows),
      "text/csv",
    );
  };
  const savePng = () =>
    plot.current?.ctx.canvas.toBlob((blob) => blob && saveBlob(`${props.file}.png`, blob));
  return (
    <figure className="chart" aria-labelledby={caption}>
      <figcaption>
        <span id={caption}>{props.title}</span>
        {props.series.map((one) => (
          <span key={one.name} className="legend">
            <svg width="18" height="8" aria-hidden="true">
              {one.points ? (
                <path d="M9 0l4 4-4 4-4-4z" fill={`var(--s${one.slot})`} />
              ) : (
                <path
                  d="M0 4h18"
                  stroke={`var(--s${one.slot})`}
                  strokeWidth="2"
                  strokeDasharray={(DASHES[one.slot] ?? []).join(" ")}
                />
              )}
            </svg>
            {one.name}{" "}
            {compact(one.values.findLast((value) => value !== null && Number.isFinite(value)))}
          </span>
        ))}
        <span className="ml-auto row">
          <button
            type="button"
            className="btn quiet sm"
            aria-pressed={table}
            onClick={() => setTable(!table)}
          >
            {table ? "Curve" : "Table"}
          </button>
          <button type="button" className="btn quiet sm" onClick={saveCsv}>
            CSV
          </button>
          <button type="button" className="btn quiet sm" onClick={savePng} disabled={table}>
            PNG
          </button>
        </span>
      </figcaption>
      {table ? <Twin props={props} /> : <div ref={place} role="img" aria-label={props.sentence} />}
      {dropped > 0 ? (
        <p className="xs dim">{dropped} values of 0 or below are not on the log axis.</p>
      ) : null}
    </figure>
  );
}
