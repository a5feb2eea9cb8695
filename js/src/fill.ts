// Puts markup into a sentence: its words stay whole in one place, and a translation may order them otherwise.
import type { ComponentChildren } from "preact";

/**
 * A sentence with markup at the marked places.
 *
 * @param sentence As "control: {n}, same edit".
 * @param parts What stands at each place, by its name.
 */
export function fill(sentence: string, parts: Readonly<Record<string, ComponentChildren>>): ComponentChildren[] {
  return sentence.split(/\{(\w+)\}/).map((piece, i) => (i % 2 ? parts[piece] : piece));
}
