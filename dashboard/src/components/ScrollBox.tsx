/** A part that scrolls by itself; the keyboard reaches it, too. */
export function ScrollBox(props: { label: string; className?: string; children: React.ReactNode }) {
  return (
    <section
      aria-label={props.label}
      className={`scroll-x overflow-auto ${props.className ?? ""}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached to be scrolled.
      tabIndex={0}
    >
      {props.children}
    </section>
  );
}
