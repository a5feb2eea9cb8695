// The heatmap by itself: all that a notebook of heatmaps loads.
import { mount as draw, type Place } from "./mount";
import { heatmap } from "./views/heatmap";

const VIEWS = new Map([["heatmap", heatmap]]);

export const mount = (place: Place) => draw(place, VIEWS);
