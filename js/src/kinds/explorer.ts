// The payload of an explorer.
import type { Kind } from "../decode";
import type { ExplorerPayload } from "../payloads";
import { EXPLORER_PAYLOAD } from "../records";

export const EXPLORER: Kind<ExplorerPayload> = { name: "explorer", fields: EXPLORER_PAYLOAD };
