/** Numbers, times and ids as people read them. Unknown is said, never shown as 0. */

const MINUS = "\u2212";
const THIN = "\u202f";

/** What is shown for a value that was not measured. */
export const NOT_MEASURED = "none";

type Maybe = number | null | undefined;

function withMinus(text: string): string {
  return text.replace("-", MINUS);
}

/** A number with so many decimals; its sign only when it is negative. */
export function fixed(value: Maybe, digits = 4): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOT_MEASURED;
  const text = value.toFixed(digits);
  return withMinus(Number(text) === 0 ? text.replace("-", "") : text);
}

/** A difference: always with its sign, but for zero. */
export function signed(value: Maybe, digits = 4): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOT_MEASURED;
  const text = value.toFixed(digits);
  if (Number(text) === 0) return "0";
  return value > 0 ? `+${text}` : withMinus(text);
}

/** A number of any size in about four characters. */
export function compact(value: Maybe): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOT_MEASURED;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return withMinus(value.toExponential(1));
  return withMinus(String(Number(value.toPrecision(4))));
}

/** A count with thin spaces between thousands. */
export function count(value: Maybe): string {
  if (value === null || value === undefined) return NOT_MEASURED;
  return withMinus(String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, THIN));
}

/** A share as whole per cent. */
export function percent(share: Maybe): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return NOT_MEASURED;
  const whole = Math.round(share * 100);
  return share > 0 && share < 0.01 ? `< 1${THIN}%` : `${withMinus(String(whole))}${THIN}%`;
}

/** A moment as the clock of this machine shows it. */
export function clock(iso: string): string {
  const moment = new Date(iso);
  if (Number.isNaN(moment.getTime())) return NOT_MEASURED;
  return moment.toTimeString().slice(0, 8);
}

/** How long ago something was. */
export function ago(iso: string, now: number): string {
  const moment = new Date(iso).getTime();
  if (Number.isNaN(moment)) return NOT_MEASURED;
  const seconds = Math.max(0, Math.round((now - moment) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 2 * 86_400) return "yesterday";
  return iso.slice(0, 10);
}

/** A stretch of time, rounded as people say it. */
export function duration(seconds: Maybe): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NOT_MEASURED;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A digest, short; the whole one belongs into the title. */
export function shortId(id: string): string {
  return id.length > 12 ? `${id.slice(0, 4)}\u2026${id.slice(-2)}` : id;
}
