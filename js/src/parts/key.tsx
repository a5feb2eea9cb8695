// The letter of a feature in its colour.
import { hue, letter } from "../palette";

/** The letter of a feature in its colour; hollow when ablated. */
export function Key({ feature, hollow = false }: { feature: { slot: number }; hollow?: boolean }) {
  const name = letter(feature.slot);
  return (
    <span class={`key ${hue(feature.slot)}${hollow ? " hollow" : ""}${name.length > 1 ? " two" : ""}`}>{name}</span>
  );
}
