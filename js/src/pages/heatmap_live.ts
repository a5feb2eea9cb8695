import { startLive } from "../engine/page";
import { Steer } from "../parts/steer";
import { heatmapWith } from "../views/heatmap";

startLive(document, "heatmap", heatmapWith(Steer));
