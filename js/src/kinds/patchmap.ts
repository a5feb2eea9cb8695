// The payload of a patch map.
import { type Kind, rowsOf } from "../decode";
import type { PatchMapPayload } from "../payloads";
import { PATCH_MAP_PAYLOAD } from "../records";

function checkPatchMap({ tokens, corrupt_tokens, blocks }: PatchMapPayload): void {
  const length = tokens.text.length;
  for (const { ids, kind, text } of [tokens, corrupt_tokens]) {
    for (const values of [ids, kind, text]) rowsOf("tokens", values, length);
  }
  for (const { name, columns, nodes, values, measured, low, high } of blocks) {
    rowsOf(name, nodes, columns.length);
    for (const table of [values, measured, low, high]) rowsOf(name, table.data, length * columns.length);
  }
}

export const PATCH_MAP: Kind<PatchMapPayload> = { name: "patch_map", fields: PATCH_MAP_PAYLOAD, check: checkPatchMap };
