import { start } from "../page";
import { heatmap } from "../views/heatmap";

start(document, "heatmap", heatmap);
