// All style sheets, in order: later ones win.
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

export default [base, controls, bar, strip, long, legend, features, readings, chart, report, narrow].join("");
