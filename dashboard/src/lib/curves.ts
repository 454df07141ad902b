/** Pure arithmetic on curves: smoothing, what a log axis drops, paired differences. */

type Values = readonly (number | null)[];

/**
 * Exponential moving average without the pull to zero of its beginning (as Adam corrects it).
 * A value that is missing stays missing, and the average goes on behind it.
 */
export function smoothed(values: Values, weight: number): (number | null)[] {
  let mean = 0;
  let mass = 0;
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return null;
    mean = weight * mean + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return mean / mass;
  });
}

/** What a log axis can show, and how many values it cannot. */
export function forLog(values: Values): { values: (number | null)[]; dropped: number } {
  let dropped = 0;
  const kept = values.map((value) => {
    if (value === null || value > 0) return value;
    dropped += 1;
    return null;
  });
  return { values: kept, dropped };
}

/** The 97.5 % point of Student's t, by degrees of freedom. Source: Abramowitz and Stegun, 26.7. */
function studentT(freedom: number): number {
  const z = 1.959964;
  const g1 = (z ** 3 + z) / 4;
  const g2 = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const g3 = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  const g4 = (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92_160;
  return z + g1 / freedom + g2 / freedom ** 2 + g3 / freedom ** 3 + g4 / freedom ** 4;
}

/** A mean with its 95 % interval. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

/** Fewest pairs that an interval is given for: below, Student's t says nothing useful. */
export const PAIRS_MIN = 4;

/** The mean of some differences with its interval; null where there are too few to say. */
export function meanInterval(differences: readonly number[]): Interval | null {
  const n = differences.length;
  if (n < PAIRS_MIN) return null;
  const mean = differences.reduce((sum, one) => sum + one, 0) / n;
  const squares = differences.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  const half = studentT(n - 1) * Math.sqrt(squares / (n - 1) / n);
  return { mean, low: mean - half, high: mean + half, n };
}

/** Rows of a CSV file whose cells are numbers, by column. */
export function columnsOf(csv: string): Record<string, number[]> {
  const [head = "", ...rows] = csv.trim().split("\n");
  const names = head.split(",");
  const cells = rows.map((row) => row.split(",").map(Number));
  return Object.fromEntries(
    names.map((name, i) => [name, cells.map((row) => row[i] ?? Number.NaN)]),
  );
}
