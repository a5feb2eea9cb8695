// The palette as custom properties and classes: one source, the same file that the Python figures read.
import palette from "../../saewidgets/figures/palette.json";

type Theme = (typeof palette)["light"];

function properties(theme: Theme): string {
  const entries: string[] = Object.entries(theme.neutral).map(([name, color]) => `--${name}:${color}`);
  theme.feature.forEach((feature, slot) => {
    entries.push(`--c${slot}:${feature.color}`, `--k${slot}:${feature.on}`);
    feature.fill.forEach((color, step) => {
      entries.push(`--r${slot}${step + 1}:${color}`, `--t${slot}${step + 1}:${feature.text[step]}`);
    });
  });
  theme.effect.forEach(({ fill, text }, step) => {
    entries.push(`--d${step}:${fill}`, `--dt${step}:${text}`);
  });
  theme.activation.forEach(({ fill, text }, step) => {
    entries.push(`--s${step + 1}:${fill}`, `--st${step + 1}:${text}`);
  });
  return entries.join(";");
}

function classes(): string {
  const rules = [".fx{--f:var(--ink2);--k:var(--paper)}"];
  palette.light.feature.forEach((_, slot) => {
    rules.push(`.f${slot}{--f:var(--c${slot});--k:var(--k${slot})}`);
    for (let n = 1; n <= 7; n++) rules.push(`.r${slot}${n}{background:var(--r${slot}${n});color:var(--t${slot}${n})}`);
  });
  for (let n = 1; n <= 7; n++) rules.push(`.s${n}{background:var(--s${n});color:var(--st${n})}`);
  return rules.join("");
}

/** The style sheet of all colours; `.sw.dark` switches. */
export const colors = `.sw{${properties(palette.light)};color-scheme:light}.sw.dark{${properties(palette.dark)};color-scheme:dark}${classes()}`;

/** Class of a feature's colour: `f0` to `f7`, ink beyond eight. */
export const hue = (slot: number): string => (slot >= 0 && slot < palette.light.feature.length ? `f${slot}` : "fx");

/** Class of a fill: step 1 to 7 of a feature's ramp, or of the ramp that belongs to no feature. */
export const ramp = (slot: number | null, step: number): string =>
  step < 1 ? "" : slot !== null && slot < palette.light.feature.length ? `r${slot}${step}` : `s${step}`;

/** Step of a fill: 0 for none, else 1 to 7 in equal parts of the maximum. */
export const step = (value: number, maximum: number): number =>
  value > 0 && maximum > 0 ? Math.max(1, Math.min(7, Math.ceil((7 * value) / maximum))) : 0;

/** Step of an effect from -1 to 1: 0 to 10, 5 for none. */
export const effectStep = (value: number): number => Math.round(5 * Math.max(-1, Math.min(1, value))) + 5;

/** Letter of a slot: a, b, … z, then a1, b1, … */
export const letter = (slot: number): string =>
  String.fromCharCode(97 + (slot % 26)) + (slot < 26 ? "" : String(Math.floor(slot / 26)));
