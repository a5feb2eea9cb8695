// A row of buttons of which one is pressed.
export interface Choice {
  value: string;
  label: string;
  title?: string;
  /** Why it cannot be chosen here. */
  off?: string;
}

/** A row of buttons of which one is pressed. */
export function Segments({
  label,
  choices,
  value,
  set,
}: {
  label: string;
  choices: Choice[];
  value: string;
  set: (value: string) => void;
}) {
  const move = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const next = choices[choices.findIndex((choice) => choice.value === value) + by];
    if (!by || !next || next.off) return;
    event.preventDefault();
    set(next.value);
    const group = event.currentTarget as HTMLElement;
    requestAnimationFrame(() => group.querySelector<HTMLElement>("[aria-checked=true]")?.focus());
  };
  const chosen = choices.some((choice) => choice.value === value) ? value : choices[0]?.value;
  return (
    <span class="seg" role="radiogroup" aria-label={label} onKeyDown={move}>
      {choices.map((choice) => (
        <button
          key={choice.value}
          type="button"
          role="radio"
          class={choice.value === value ? "on" : ""}
          aria-checked={choice.value === value}
          tabIndex={choice.value === chosen ? 0 : -1}
          aria-disabled={choice.off ? true : undefined}
          title={choice.off || choice.title}
          onClick={() => choice.off || set(choice.value)}
        >
          {choice.label}
        </button>
      ))}
    </span>
  );
}
