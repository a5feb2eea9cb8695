// A histogram, within many payloads.
import { rowsOf } from "../decode";
import type { Histogram } from "../payloads";

export function checkHistogram(name: string, { edges, counts }: Histogram): void {
  if (edges.length || counts.length) rowsOf(name, edges, counts.length + 1);
}
