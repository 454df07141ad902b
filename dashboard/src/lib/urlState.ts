import { useCallback } from "react";
import { useSearchParams } from "react-router";

/** A part of what a screen shows that lives in the address: it survives a reload and can be sent. */
export function useUrlState(name: string, initial: string): [string, (value: string) => void] {
  const [search, setSearch] = useSearchParams();
  const value = search.get(name) ?? initial;
  const set = useCallback(
    (next: string) =>
      setSearch(
        (before) => {
          const after = new URLSearchParams(before);
          if (next === initial) after.delete(name);
          else after.set(name, next);
          return after;
        },
        { replace: true },
      ),
    [name, initial, setSearch],
  );
  return [value, set];
}

/** The same for one of some words; anything else in the address means the first. */
export function useUrlChoice<Word extends string>(
  name: string,
  words: readonly [Word, ...Word[]],
): [Word, (value: Word) => void] {
  const [value, set] = useUrlState(name, words[0]);
  const known = words.find((word) => word === value) ?? words[0];
  return [known, set];
}
