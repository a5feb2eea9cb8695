// A menu of one choice, as the host draws it.
import type { Choice } from "./segments";

export function Choose({
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
  return (
    <span class="seg choose">
      <select aria-label={label} value={value} onChange={(event) => set(event.currentTarget.value)}>
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.label}
          </option>
        ))}
      </select>
      <span aria-hidden="true">▾</span>
    </span>
  );
}
