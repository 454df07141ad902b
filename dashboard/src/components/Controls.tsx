import { useId } from "react";

/** One of a few words. */
export function Segment<Word extends string>(props: {
  label: string;
  words: readonly Word[];
  value: Word;
  onChange: (value: Word) => void;
}) {
  const name = useId();
  return (
    <fieldset className="seg" aria-label={props.label}>
      {props.words.map((word) => (
        <label key={word}>
          <input
            type="radio"
            name={name}
            checked={word === props.value}
            onChange={() => props.onChange(word)}
          />
          <span>{word}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** On or off. */
export function Switch(props: {
  label: string;
  hint?: string;
  value: boolean;
  disabled?: boolean;
  onChange: (value: boolean) => void;
}) {
  const id = useId();
  return (
    <div className="set">
      <label htmlFor={id}>{props.label}</label>
      <input
        id={id}
        type="checkbox"
        role="switch"
        className="switch"
        aria-checked={props.value}
        checked={props.value}
        disabled={props.disabled}
        onChange={(event) => props.onChange(event.target.checked)}
      />
      {props.hint ? <small>{props.hint}</small> : null}
    </div>
  );
}

/** A number; one that differs from its default is marked, one outside of its range says so. */
export function NumberField(props: {
  label: string;
  value: string;
  initial: string;
  min?: number;
  max?: number;
  whole?: boolean;
  optional?: boolean;
  onChange: (value: string) => void;
}) {
  const id = useId();
  const fault = faultOf(props.value, props);
  const changed = props.value !== props.initial;
  return (
    <div className="set">
      <label htmlFor={id}>{props.label}</label>
      <input
        id={id}
        className={`inp num ${changed ? "chg" : ""}`}
        inputMode="decimal"
        value={props.value}
        placeholder={props.optional ? "auto" : ""}
        aria-invalid={fault !== null}
        aria-describedby={fault ? `${id}-fault` : undefined}
        onChange={(event) => props.onChange(event.target.value)}
      />
      {fault ? (
        <small className="bad" id={`${id}-fault`}>
          {fault}
        </small>
      ) : changed ? (
        <small>default {props.initial === "" ? "auto" : props.initial}</small>
      ) : null}
    </div>
  );
}

interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly whole?: boolean;
  readonly optional?: boolean;
}

/** What is wrong with a number as it was typed; null if nothing is. */
export function faultOf(text: string, range: Range): string | null {
  if (text.trim() === "") return range.optional ? null : "Give a number.";
  const value = Number(text);
  if (!Number.isFinite(value)) return "This is no number.";
  if (range.whole && !Number.isInteger(value)) return "Give a whole number.";
  if (range.min !== undefined && value < range.min) return `At least ${range.min}.`;
  if (range.max !== undefined && value > range.max) return `At most ${range.max}.`;
  return null;
}

/** A line of text with its label above. */
export function TextField(props: {
  label: string;
  value: string;
  placeholder?: string;
  onChange: (value: string) => void;
}) {
  const id = useId();
  return (
    <div className="stack gap-1">
      <label htmlFor={id} className="xs dim">
        {props.label}
      </label>
      <input
        id={id}
        className="inp wide"
        value={props.value}
        placeholder={props.placeholder}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => props.onChange(event.target.value)}
      />
    </div>
  );
}

/** How much of a budget is used. */
export function BudgetBar({ used, budget, unit }: { used: number; budget: number; unit: string }) {
  const share = budget > 0 ? Math.max(0, used) / budget : 0;
  const text = `${used.toFixed(4)} of ${budget.toFixed(4)} ${unit}`;
  return (
    // biome-ignore lint/a11y/useSemanticElements: no browser lets its own meter look like this.
    <div
      className={`meter ${share > 0.9 ? "warn" : ""}`}
      role="meter"
      aria-label="drift budget used"
      aria-valuemin={0}
      aria-valuemax={budget}
      aria-valuenow={Math.min(Math.max(0, used), budget)}
      aria-valuetext={text}
    >
      <i style={{ width: `${Math.min(100, share * 100)}%` }} />
    </div>
  );
}
