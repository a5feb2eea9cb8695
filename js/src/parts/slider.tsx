// A slider with a notch in its middle, to which it snaps and a double click returns.
import { hue } from "../palette";

/** Nearer to the notch than this share of a half, the slider snaps to it. */
const SNAP = 0.035;

interface Props {
  slot: number;
  label: string;
  value: number;
  /** What a screen reader hears of the value. */
  spoken: string;
  /** Value of the notch, and how far it goes to either side. */
  middle?: number;
  half?: number;
  disabled: boolean;
  set: (value: number, dragging: boolean) => void;
}

export function Slider({ slot, label, value, spoken, middle = 1, half = 1, disabled, set }: Props) {
  const share = Math.min(100, Math.max(0, 50 + (50 * (value - middle)) / half));
  return (
    <div class={`sl ${hue(slot)}`}>
      <s />
      <i style={{ left: `${Math.min(50, share)}%`, right: `${100 - Math.max(50, share)}%` }} />
      <input
        type="range"
        min={middle - half}
        max={middle + half}
        step="0.05"
        value={value}
        disabled={disabled}
        aria-label={label}
        aria-valuetext={spoken}
        onInput={(event) => {
          const raw = Number(event.currentTarget.value);
          set(Math.abs(raw - middle) < SNAP * half ? middle : raw, true);
        }}
        onDblClick={() => set(middle, false)}
      />
    </div>
  );
}
