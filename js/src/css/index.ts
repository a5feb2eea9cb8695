// The style sheets: those of every view, and those that only some views wear. Later ones win.
import bar from "./bar.css";
import base from "./base.css";
import chart from "./chart.css";
import controls from "./controls.css";
import features from "./features.css";
import legend from "./legend.css";
import long from "./long.css";
import narrow from "./narrow.css";
import readings from "./readings.css";
import report from "./report.css";
import strip from "./strip.css";

export const BASE = [base, controls, bar, legend, features, readings, narrow];
/** Of a prompt's tokens. */
export const STRIP = [strip, long];
/** Of charts, lists and tables. */
export const CHARTS = [chart, report];
