import { start } from "../page";
import { patchMap } from "../views/patchmap";

start(document, "patch_map", patchMap);
