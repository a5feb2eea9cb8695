import { startLive } from "../engine/page";
import { heatmap } from "../views/heatmap";

startLive(document, "heatmap", heatmap);
